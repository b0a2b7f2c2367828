// The sandbox's page: chats, messages, threads. Everything from the server becomes text nodes; nothing is parsed as HTML.
"use strict";
(() => {
const words = {
  en: { units: [" B", " KB", " MB"], totals: (c, m, u) => `${c} chats · ${m} messages · ${u} people`, bell: n => `Notifications: ${n}`, invites: n => ` · invitations: ${n}`,
    search: "Search messages", filter: "Find a chat", pick: "Choose a chat", none: "Nothing here yet", earlier: "Earlier messages", later: "Newer messages",
    more: "Show more", thread: n => `Thread: ${n}`, threadTitle: "Thread", members: n => `Members: ${n}`, membersTitle: "Members", found: "Found",
    nothing: "Nothing found", priv: "private", pub: "public", channel: "channel", archived: "archived", direct: "one-to-one", pinned: "pinned",
    edited: "edited", bot: "bot", back: "← Back", close: "Close", lang: "Русский", owner: "owner", admin: "admin", editor: "editor", member: "", off: "deactivated", limits: "limits on",
    compare: "Show the source", inSource: c => `In the source: ${c}`, inThread: "reply in a thread", foreign: "Not from the archive", absent: "The archive at hand does not hold it",
    partOf: n => `part ${n}`, same: "Nothing was lost", lost: "What changed", grain: "to the minute", empty: "no text",
    states: { present: "", linked: "only linked", external: "elsewhere", gone: "gone" },
    losses: { "author-as-label": "the author is a label", "time-as-text": "the time is part of the label", "style-as-text": "formatting written as characters",
      "mention-muted": "a mention that pings nobody", "reaction-as-text": "reactions written as text", "file-named-only": "a file without its bytes",
      "emoji-as-name": "a custom emoji as its name", "split": "split in several messages", "broadcast-as-note": "\u201calso sent to the channel\u201d as a note",
      "root-placeholder": "the thread\u2019s first message is a place-holder", "link-left": "a link to another message left as it was",
      "edit-details": "when it was edited, and by whom", "pin": "it was pinned", "text-cut": "cut: it became too long for where it stands" } },
  ru: { units: [" Б", " КБ", " МБ"], totals: (c, m, u) => `Чатов: ${c} · сообщений: ${m} · людей: ${u}`, bell: n => `Оповещений: ${n}`, invites: n => ` · приглашений: ${n}`,
    search: "Поиск сообщений", filter: "Найти чат", pick: "Выберите чат", none: "Здесь пока пусто", earlier: "Более ранние", later: "Более новые",
    more: "Показать ещё", thread: n => `Тред: ${n}`, threadTitle: "Тред", members: n => `Участников: ${n}`, membersTitle: "Участники", found: "Найдено",
    nothing: "Ничего не найдено", priv: "закрытый", pub: "открытый", channel: "канал", archived: "в архиве", direct: "личный", pinned: "закреплено",
    edited: "изменено", bot: "бот", back: "← Назад", close: "Закрыть", lang: "English", owner: "владелец", admin: "администратор", editor: "редактор", member: "", off: "без доступа", limits: "ограничения включены",
    compare: "Показать источник", inSource: c => `В источнике: ${c}`, inThread: "ответ в треде", foreign: "Не из архива", absent: "В архиве под рукой его нет",
    partOf: n => `часть ${n}`, same: "Ничего не потеряно", lost: "Что изменилось", grain: "с точностью до минуты", empty: "без текста",
    states: { present: "", linked: "только ссылка", external: "на другом сайте", gone: "удалён" },
    losses: { "author-as-label": "автор — подпись", "time-as-text": "время — часть подписи", "style-as-text": "оформление записано знаками",
      "mention-muted": "упоминание никого не оповещает", "reaction-as-text": "реакции записаны текстом", "file-named-only": "файл без содержимого",
      "emoji-as-name": "своё эмодзи — названием", "split": "разбито на несколько сообщений", "broadcast-as-note": "«также в канал» — пометкой",
      "root-placeholder": "вместо первого сообщения треда — заглушка", "link-left": "ссылка на другое сообщение — как была",
      "edit-details": "когда и кем изменено", "pin": "было закреплено", "text-cut": "обрезано: стало длиннее своего места" } },
};
const $ = id => document.getElementById(id);
const params = new URLSearchParams(location.search);
let compare = params.get("compare") === "1";
let traceable = false;
let lang = ["ru", "en"].includes(params.get("lang")) ? params.get("lang") : "", t = words.en, chat = null, turn = 0;

const el = (tag, cls, ...kids) => {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  e.append(...kids.filter(k => k !== null && k !== undefined && k !== ""));
  return e;
};
const button = (cls, text, on) => { const b = el("button", cls, text); b.type = "button"; b.addEventListener("click", on); return b; };
// Signs are drawn, so that they do not depend on an emoji font.
const shapes = {
  lock: "M4 7V5a4 4 0 0 1 8 0v2h1v8H3V7zm2 0h4V5a2 2 0 0 0-4 0z", box: "M1 2h14v4H1zm1 5h12v7H2zm4 2v2h4V9z",
  person: "M8 8a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zm-7 7c0-4 3-6 7-6s7 2 7 6z", horn: "M2 6h3l8-4v12l-8-4H2zm2 5h2l1 4H5z",
  pin: "M5 1h6v2l-1 1v4l3 3H9v4H7v-4H3l3-3V4L5 3z",
};
function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", shapes[name]);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}
const num = n => n.toLocaleString(lang);
async function get(what, args = {}) {
  const r = await fetch("/sandbox/ui/" + what + "?" + new URLSearchParams(args));
  if (!r.ok) throw new Error(what + ": " + r.status);
  return r.json();
}
const view = v => { $("main").dataset.view = v; $("back").hidden = v === "chats"; };

// ---- small Markdown: **bold**, *italic*, _italic_, ~~strike~~, `code`, fences, [text](http…), bare links ----
const inline = /`([^`\n]+)`|\*\*([^\n]+?)\*\*|~~([^\n]+?)~~|\*([^\s*](?:[^*\n]*[^\s*])?)\*|(?<![\p{L}\p{N}_])_([^\s_](?:[^_\n]*[^\s_])?)_(?![\p{L}\p{N}_])|\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)|(https?:\/\/[^\s<>()"]+[^\s<>()".,;:!?])/u;
function link(text, href, depth) {
  const a = el("a");
  let url = null;
  try { url = new URL(href); } catch { /* stays text */ }
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) return document.createTextNode(text);
  a.href = url.href;
  a.rel = "noopener noreferrer nofollow";
  a.target = "_blank";
  if (depth === null) a.textContent = text; else spans(a, text, depth);
  return a;
}
function spans(into, text, depth = 0) {
  while (text) {
    const m = depth < 6 ? inline.exec(text) : null;
    if (!m) { into.append(text); return; }
    if (m.index) into.append(text.slice(0, m.index));
    const inner = (tag, s) => { const e = el(tag); spans(e, s, depth + 1); into.append(e); };
    if (m[1]) into.append(el("code", "", m[1]));
    else if (m[2]) inner("strong", m[2]);
    else if (m[3]) inner("s", m[3]);
    else if (m[4]) inner("em", m[4]);
    else if (m[5]) inner("em", m[5]);
    else if (m[6]) into.append(link(m[6], m[7], depth + 1));
    else into.append(link(m[8], m[8], null));
    text = text.slice(m.index + m[0].length);
  }
}
function markdown(text) {
  const box = el("div", "text");
  const lines = text.split("\n");
  let run = [];
  const flush = () => { if (run.length) spans(box, run.join("\n")); run = []; };
  for (let i = 0; i < lines.length; i++) {
    const end = /^```\S*\s*$/.test(lines[i]) ? lines.findIndex((l, k) => k > i && /^```\s*$/.test(l)) : -1;
    if (end < 0) { run.push(lines[i]); continue; }
    flush();
    box.append(el("pre", "", el("code", "", lines.slice(i + 1, end).join("\n"))));
    i = end;
  }
  flush();
  return box;
}

// ---- messages ----
const size = n => n < 1024 ? num(n) + t.units[0] : n < 1048576 ? num(Math.round(n / 1024)) + t.units[1] : num(Math.round(n / 104857.6) / 10) + t.units[2];
const clock = ms => Math.floor(ms / 60000) + ":" + String(Math.floor(ms / 1000) % 60).padStart(2, "0");
// The loudness of a voice note, one bar per number; numbers as the API takes them ("1,5,9…").
function wave(numbers) {
  const bars = numbers.split(",").map(Number).filter(n => n >= 0).slice(0, 128), top = Math.max(1, ...bars);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${Math.max(1, bars.length) * 3} 24`);
  svg.setAttribute("class", "wave");
  svg.setAttribute("aria-hidden", "true");
  bars.forEach((n, i) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect"), h = Math.max(2, n / top * 24);
    for (const [k, v] of [["x", i * 3], ["y", (24 - h) / 2], ["width", 2], ["height", h], ["rx", 1]]) bar.setAttribute(k, v);
    svg.append(bar);
  });
  return svg;
}
function fileNode(f) {
  const url = "/sandbox/ui/file?id=" + f.id;
  const plain = () => { const a = el("a", "file", f.name, el("span", "", size(f.size))); a.href = url; return a; };
  if (f.type === "image") {
    const img = el("img");
    img.loading = "lazy";
    img.alt = f.name;
    img.src = url;
    if (f.width && f.height && f.width < 1e4 && f.height < 1e4) { img.width = f.width; img.height = f.height; img.style.height = "auto"; }
    img.addEventListener("error", () => img.replaceWith(plain()));
    return img;
  }
  if (f.type === "audio" || f.type === "voice") {
    const a = el("audio");
    a.controls = true;
    a.preload = "none";
    a.src = url;
    a.title = f.name;
    const box = el("div", "voice", el("div", "", f.name, f.duration_ms ? el("span", "small", " " + clock(f.duration_ms)) : ""));
    if (f.waveform) box.append(wave(f.waveform));
    box.append(a);
    return box;
  }
  return plain();
}
function messageNode(m, inThread) {
  const when = new Date(m.time), time = el("time", "", when.toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = m.time;
  time.title = when.toLocaleString(lang);
  const node = el("article", "msg", el("div", "by", el("b", "", m.label || m.author), m.bot && !m.label ? el("span", "badge", t.bot) : "", time,
    m.edited ? el("span", "small", t.edited) : "", m.pinned ? el("span", "small", icon("pin"), " ", t.pinned) : ""));
  node.dataset.id = m.id;
  const here = el("div", "here");
  here.append(...node.childNodes);
  node.append(here);
  if (m.reply) here.append(el("div", "reply", m.reply));
  if (m.text) here.append(markdown(m.text));
  if (m.files.length) here.append(el("div", "files", ...m.files.map(fileNode)));
  const marks = el("div", "marks", ...m.reactions.map(r => el("span", "mark", r.code + " " + r.n)));
  if (m.thread && !inThread) marks.append(button("open", t.thread(num(m.replies)), () => openThread(m.thread)));
  if (marks.childNodes.length) here.append(marks);
  return node;
}
// ---- beside a message: where it came from ----
function sourceNode(s) {
  if (!s) return el("div", "source", el("span", "small", t.foreign));
  const where = el("span", "small", t.inSource(s.conv || "?"), s.reply ? " · " + t.inThread : "", s.part ? " · " + t.partOf(s.part + 1) : "");
  const box = el("div", "source");
  if (s.missing) box.append(el("div", "by", where), el("div", "small", t.absent));
  else {
    const when = new Date(s.time_us / 1000), time = el("time", "", when.toLocaleString(lang), s.grain_s >= 60 ? " (" + t.grain + ")" : "");
    time.dateTime = when.toISOString();
    box.append(el("div", "by", el("b", "", s.author || s.kind), time, s.edited ? el("span", "small", t.edited) : ""), where);
    box.append(el("div", "text", s.text || (s.files.length ? "" : "(" + t.empty + ")")));
    if (s.files.length) box.append(el("div", "files", ...s.files.map(f => el("span", "file", f.name,
      el("span", "", [f.size >= 0 ? size(f.size) : "", t.states[f.state]].filter(Boolean).join(" · "))))));
    if (s.reactions.length) box.append(el("div", "marks", ...s.reactions.map(r => {
      const mark = el("span", "mark", (r.emoji || ":" + r.name + ":") + " " + r.n);
      mark.title = r.who.join(", ");
      return mark;
    })));
  }
  box.append(el("div", "losses", s.losses.length ? el("b", "small", t.lost + ":") : el("span", "small ok", t.same),
    ...s.losses.map(l => el("span", "badge", t.losses[l] || l))));
  return box;
}
// Fills in what is missing beside the messages shown; asks for a page of them at a time.
async function sources(box) {
  if (!compare) return;
  const nodes = [...box.querySelectorAll("article.msg:not([data-source])")];
  for (const n of nodes) n.dataset.source = "1";
  while (nodes.length) {
    const some = nodes.splice(0, 50), d = await get("source", { ids: some.map(n => n.dataset.id).join(",") });
    const by = new Map(d.sources.map(s => [s.message, s]));
    for (const n of some) { n.classList.add("two"); n.append(sourceNode(by.get(n.dataset.id))); }
  }
}
const dayOf = m => new Date(m.time).toLocaleDateString(lang, { year: "numeric", month: "long", day: "numeric" });
function fragment(list, inThread) {
  const f = document.createDocumentFragment();
  let day = "";
  for (const m of list) {
    const d = dayOf(m);
    if (d !== day && !inThread) f.append(el("div", "day", d));
    day = d;
    f.append(messageNode(m, inThread));
  }
  return f;
}
const firstId = box => (box.querySelector("article:not(.root)") || { dataset: {} }).dataset.id;
const lastId = box => { const all = box.querySelectorAll("article:not(.root)"); return all.length ? all[all.length - 1].dataset.id : undefined; };
function paged(box, id, data, inThread, mine) {
  const put = (d, where) => {
    const old = box.scrollHeight - box.scrollTop;
    if (where === "top") {
      const anchor = box.querySelector(".anchor");
      anchor.after(fragment(d.messages, inThread));
      box.scrollTop = box.scrollHeight - old;
    } else box.append(fragment(d.messages, inThread));
    return sources(box).catch(fail);
  };
  box.append(el("div", "anchor"));
  put(data, "end");
  const grow = (text, args, where, more) => {
    if (!more) return;
    const b = button("more", text, async () => {
      if (turn !== mine) return;
      b.disabled = true;
      const d = await get("messages", { chat: id, ...args() });
      if (turn !== mine) return;
      b.remove();
      put(d, where);
      grow(text, args, where, d.more);
    });
    if (where === "top") box.prepend(b); else box.append(b);
  };
  if (inThread) grow(t.later, () => ({ after: lastId(box) }), "end", data.more);
  else {
    grow(t.earlier, () => ({ before: firstId(box) }), "top", data.more);
    grow(t.later, () => ({ after: lastId(box) }), "end", data.newer);
  }
}
function badges(c) {
  const all = [];
  if (c.kind === 2) all.push(t.direct);
  else all.push(c.public ? t.pub : t.priv);
  if (c.channel) all.push(t.channel);
  if (c.archived) all.push(t.archived);
  return all.map(b => el("span", "badge", b));
}
async function openChat(id, around) {
  const mine = ++turn;
  const [info, data] = await Promise.all([get("chat", { id }), get("messages", around ? { chat: id, around } : { chat: id })]);
  if (turn !== mine) return;
  chat = id;
  closeSide();
  view("chat");
  $("title").textContent = info.chat.name || t.threadTitle;
  $("badges").replaceChildren(...badges(info.chat));
  $("people").hidden = false;
  $("people").textContent = t.members(num(info.chat.members));
  $("people").onclick = () => showMembers(info);
  $("compare").hidden = !traceable;
  const box = $("list");
  box.replaceChildren();
  paged(box, id, data, false, mine);
  if (!data.messages.length) box.append(el("p", "empty", t.none));
  const hit = around ? box.querySelector(`article[data-id="${Number(around)}"]`) : null;
  if (hit) { hit.classList.add("hit"); hit.scrollIntoView({ block: "center" }); } else box.scrollTop = box.scrollHeight;
  for (const b of document.querySelectorAll(".chat")) b.classList.toggle("on", b.dataset.id === String(id));
  const url = new URL(location.href);
  url.searchParams.set("chat", id);
  url.searchParams.delete("message");
  history.replaceState(null, "", url);
}
function side(title) {
  $("right").hidden = false;
  $("main").classList.add("side");
  view("side");
  $("side").textContent = title;
  $("sidelist").replaceChildren();
  return $("sidelist");
}
function closeSide() {
  $("right").hidden = true;
  $("main").classList.remove("side");
  view(chat ? "chat" : "chats");
}
async function openThread(id, hit) {
  const mine = turn;
  const [info, data] = await Promise.all([get("chat", { id }), get("messages", { chat: id, after: hit ? Math.max(0, hit - 1) : 0 })]);
  if (turn !== mine) return;
  const box = side(t.threadTitle + " · " + t.members(num(info.chat.members)));
  if (info.root) { const r = messageNode(info.root, true); r.classList.add("root"); box.append(r); sources(box).catch(fail); }
  paged(box, id, data, true, mine);
}
function showMembers(info) {
  const box = side(t.members(num(info.chat.members)));
  const put = list => box.append(...list.map(m => el("div", "member", el("span", "", m.name), el("span", "who", m.who),
    ...[t[m.role], m.bot ? t.bot : "", m.suspended ? t.off : ""].filter(Boolean).map(x => el("span", "badge", x)))));
  put(info.members);
  let n = info.members.length;
  const grow = more => {
    if (!more) return;
    const b = button("more", t.more, async () => {
      const d = await get("chat", { id: info.chat.id, skip: n });
      b.remove();
      put(d.members);
      n += d.members.length;
      grow(d.more);
    });
    box.append(b);
  };
  grow(info.more);
}

// ---- chats, search, totals ----
async function loadChats(skip = 0) {
  const q = $("filter").value.trim(), d = await get("chats", { q, skip });
  if (q !== $("filter").value.trim()) return;
  const box = $("chats");
  if (!skip) box.replaceChildren();
  else box.querySelector(".more")?.remove();
  for (const c of d.chats) {
    const sign = c.archived ? icon("box") : c.kind === 2 ? icon("person") : !c.public ? icon("lock") : c.channel ? icon("horn") : "#";
    const b = button("chat" + (c.archived ? " old" : "") + (c.id === chat ? " on" : ""), "", () => openChat(c.id).catch(fail));
    b.dataset.id = c.id;
    b.title = c.name;
    b.append(el("span", "sign", sign), el("span", "name", c.name || t.threadTitle), el("span", "n", num(c.messages)));
    box.append(b);
  }
  if (d.more) box.append(button("more", t.more, () => loadChats(skip + d.chats.length).catch(fail)));
  if (!skip && !d.chats.length) box.append(el("p", "empty", q ? t.nothing : t.none));
}
async function search(q) {
  const d = await get("search", { q }), box = side(t.found);
  if (!d.found.length) box.append(el("p", "empty", t.nothing));
  for (const f of d.found) {
    const node = messageNode(f.message, true);
    node.prepend(button("open", f.chat_name || t.threadTitle, async () => {
      await openChat(f.chat, f.root || (f.thread ? undefined : f.message.id));
      if (f.thread) await openThread(f.thread, f.message.id);
    }));
    box.append(node);
  }
}
async function totals() {
  const s = await get("summary");
  if (!lang) lang = s.lang;
  t = words[lang];
  document.documentElement.lang = lang;
  traceable = s.sources;
  $("compare").textContent = t.compare;
  $("compare").setAttribute("aria-pressed", String(compare));
  $("totals").textContent = t.totals(num(s.chats), num(s.messages), num(s.users)) + (s.limits ? " · " + t.limits : "");
  $("bell").textContent = t.bell(num(s.notifications)) + (s.invitations ? t.invites(num(s.invitations)) : "");
  $("bell").classList.toggle("loud", s.notifications + s.invitations > 0);
  $("q").placeholder = t.search;
  $("q").setAttribute("aria-label", t.search);
  $("filter").placeholder = t.filter;
  $("filter").setAttribute("aria-label", t.filter);
  $("back").textContent = t.back;
  $("close").setAttribute("aria-label", t.close);
  const other = new URL(location.href);
  other.searchParams.set("lang", lang === "ru" ? "en" : "ru");
  $("lang").href = other.href;
  $("lang").textContent = t.lang;
}
function fail(e) { $("list").replaceChildren(el("p", "empty", String(e.message || e))); }

let timer;
$("filter").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => loadChats().catch(fail), 150); });
$("search").addEventListener("submit", e => { e.preventDefault(); const q = $("q").value.trim(); if (q) search(q).catch(fail); });
$("compare").addEventListener("click", () => {
  compare = !compare;
  $("compare").setAttribute("aria-pressed", String(compare));
  const url = new URL(location.href);
  if (compare) url.searchParams.set("compare", "1"); else url.searchParams.delete("compare");
  history.replaceState(null, "", url);
  if (compare) { for (const id of ["list", "sidelist"]) sources($(id)).catch(fail); return; }
  for (const n of document.querySelectorAll("article[data-source]")) { delete n.dataset.source; n.classList.remove("two"); n.querySelector(".source")?.remove(); }
});
$("close").addEventListener("click", closeSide);
$("back").addEventListener("click", () => { if ($("main").dataset.view === "side") closeSide(); else view("chats"); });
totals().then(async () => {
  await loadChats();
  const want = Number(params.get("chat")), message = Number(params.get("message"));
  if (want) {
    const info = await get("chat", { id: want });
    if (info.parent) { await openChat(info.parent, info.root && info.root.id); await openThread(want, message); }
    else await openChat(want, message || undefined);
    const q = params.get("q");
    if (q) await search(q);
  } else {
    $("list").replaceChildren(el("p", "empty", t.pick));
    const first = document.querySelector(".chat");
    if (first && matchMedia("(min-width: 641px)").matches) first.click();
  }
}).catch(fail);
setInterval(() => totals().catch(() => {}), 5000);
})();
