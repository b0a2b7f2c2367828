// look.mjs: what a person does with the pages, in Chromium; prints TAP. Started by tests/e2e/test_browser.sh.
// look.mjs PAGE BIG_PAGE REPORT ARCHIVE [SHOTS]: addresses of two sandboxes (the demo; 100,000 messages), paths of an HTML
// report and of an archive's folder; SHOTS = a folder to leave screenshots in.
import { chromium } from "playwright-core";
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const [page_url, big_url, report, archive, shots] = process.argv.slice(2);
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let n = 0, bad = 0;
const ok = (good, name, more) => {
  n++;
  if (!good) bad++;
  console.log(`${good ? "ok" : "not ok"} ${n} - ${name}`);
  if (!good && more !== undefined) console.log("# " + String(typeof more === "string" ? more : JSON.stringify(more)).slice(0, 1500).replace(/\n/g, "\n# "));
};
const is = (got, want, name) => ok(got === want, name, `${JSON.stringify(got)} is not ${JSON.stringify(want)}`);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });

// A tab that remembers what went wrong in it, and what it asked of others.
async function tab({ width = 1280, scheme = "light", locale = "en-US", allowed = "http://127.0.0.1" } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 860 }, colorScheme: scheme, locale, timezoneId: "Europe/Moscow" });
  const p = await context.newPage(), wrong = [];
  p.setDefaultTimeout(15000);
  p.on("console", m => { if (m.type() === "error") wrong.push("console: " + m.text()); });
  p.on("pageerror", e => wrong.push("error: " + e.message));
  p.on("dialog", d => { wrong.push("dialog: " + d.message()); d.dismiss(); });
  p.on("request", r => { if (!r.url().startsWith(allowed) && !r.url().startsWith("data:")) wrong.push("request: " + r.url()); });
  return { p, wrong, close: () => context.close() };
}
async function accessible(p, name) {
  // Run in the page's own world by the debugger: the page's policy forbids scripts from elsewhere, and stays in force.
  const client = await p.context().newCDPSession(p);
  await client.send("Runtime.evaluate", { expression: axe });
  const got = await client.send("Runtime.evaluate", { awaitPromise: true, returnByValue: true,
    expression: "axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','best-practice'], preload: false}).then(r => r.violations.map(v => v.id + ' (' + v.nodes.length + '): ' + v.nodes[0].html.slice(0, 160)))" });
  await client.detach();
  ok(Array.isArray(got.result.value) && got.result.value.length === 0, name + ": axe finds nothing", got.result.value ?? got);
}
const overflow = p => p.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
const shot = async (p, name) => { if (shots) await p.screenshot({ path: path.join(shots, name + ".png") }); };

// ---- the sandbox's page ----
async function chatPage() {
  const { p, wrong, close } = await tab();
  await p.goto(page_url + "?lang=en");
  await p.waitForSelector("article.msg");
  is(await p.textContent("#bell"), "Notifications: 0", "nobody was notified");
  ok(await p.locator(".chat").count() >= 10, "the chats are listed");
  await p.click('.chat:has-text("general")');
  await p.waitForFunction(() => document.getElementById("title").textContent === "general");
  ok(await p.locator("#list article").count() > 5, "a chat shows its messages");
  ok(/Иван Петров · /.test(await p.textContent("#list article .by b")) || await p.locator("#list article .by b", { hasText: "Иван Петров · " }).count() > 0,
     "with who wrote them and when");
  await p.locator("#list article .open").first().click();
  await p.waitForSelector("#sidelist article.root");
  ok(await p.locator("#sidelist article:not(.root)").count() > 0, "a thread opens with its replies");
  await accessible(p, "chat and thread");
  await shot(p, "thread-1280");
  await p.click("#close");
  ok(await p.locator("#right").isHidden(), "and closes again");
  await p.click("#people");
  ok(await p.locator(".member").count() > 3, "members are listed");
  await p.click("#close");
  await p.fill("#q", "замечаний");
  await p.press("#q", "Enter");
  await p.waitForSelector("#sidelist .open");
  ok((await p.textContent("#sidelist")).includes("замечаний"), "a search finds words");
  await p.locator("#sidelist .open").first().click();
  await p.waitForSelector("#list article");
  await p.fill("#filter", "СКЛАД");
  await p.waitForFunction(() => document.querySelectorAll(".chat").length === 1);
  ok((await p.textContent("#chats")).includes("склад"), "chats are found by name, whatever the case");
  await p.fill("#filter", "");
  await p.waitForFunction(() => document.querySelectorAll(".chat").length > 5);
  // Pictures really come.
  let pictures = 0;
  for (const c of await p.locator(".chat").all()) {
    await c.click();
    await p.waitForTimeout(60);
    const img = p.locator("#list .files img").first();
    if (await img.count()) {
      await img.scrollIntoViewIfNeeded();
      await p.waitForFunction(i => i.complete, await img.elementHandle());
      pictures += await img.evaluate(i => i.naturalWidth > 0) ? 1 : 0;
      if (pictures === 1) await shot(p, "picture-1280");
      break;
    }
  }
  is(pictures, 1, "a picture is shown");
  is(wrong.join("; "), "", "no error, no request to anybody else");
  await close();
}

async function besideSource() {
  const { p, wrong, close } = await tab({ locale: "ru-RU" });
  await p.goto(page_url);
  await p.waitForSelector("article.msg");
  is(await p.getAttribute("html", "lang"), "ru", "the page speaks the reader's language");
  await p.click('.chat:has-text("general")');
  await p.waitForFunction(() => document.getElementById("title").textContent === "general");
  await p.click("#compare");
  await p.waitForFunction(() => [...document.querySelectorAll("#list article")].every(a => a.querySelector(".source")));
  const texts = await p.$$eval("#list article .source", s => s.map(e => e.textContent));
  ok(texts.every(t => t.includes("В источнике: general")), "beside every message stands where it came from", texts.slice(0, 2));
  ok(texts.some(t => t.includes("Иван Петров")), "with its author");
  ok(texts.every(t => t.includes("автор — подпись")), "and what was lost", texts.slice(0, 2));
  const words = await p.$$eval("#list .losses .badge", s => s.map(e => e.textContent));
  ok(words.length > 0 && words.every(w => /[а-я]/.test(w)), "in Russian words", words);
  await accessible(p, "beside the source");
  await shot(p, "source-1280");
  await p.setViewportSize({ width: 390, height: 860 });
  is(await overflow(p), 0, "nothing sticks out on a phone");
  await shot(p, "source-390");
  await p.click("#compare");
  is(await p.locator(".source").count(), 0, "and away again");
  is(wrong.join("; "), "", "no error on the way");
  await close();
}

async function narrowAndDark() {
  const { p, wrong, close } = await tab({ width: 390, scheme: "dark", locale: "ru-RU" });
  await p.goto(page_url);
  await p.waitForSelector(".chat");
  is(await overflow(p), 0, "390 pixels: the list of chats fits");
  await accessible(p, "390 pixels, dark, chats");
  await shot(p, "chats-390-dark");
  await p.click('.chat:has-text("general")');
  await p.waitForSelector("#list article");
  is(await overflow(p), 0, "390 pixels: a chat fits");
  await accessible(p, "390 pixels, dark, chat");
  await shot(p, "chat-390-dark");
  await p.click("#back");
  ok(await p.locator("#chats").isVisible(), "back to the chats");
  is(wrong.join("; "), "", "no error on a phone");
  await close();
}

// Posts as any client would: a hostile text and a voice note.
async function api(method, what, body, token = "sandbox-bot-token") {
  const r = await fetch(page_url + "api/shared/v1" + what, { method, body: body && JSON.stringify(body),
    headers: { Authorization: "Bearer " + token, "Content-Type": "application/json" } });
  return r.status === 204 ? {} : r.json();
}
function tone() { // one second of a hum as WAV
  const rate = 8000, b = Buffer.alloc(44 + rate);
  b.write("RIFF", 0); b.writeUInt32LE(36 + rate, 4); b.write("WAVEfmt ", 8); b.writeUInt32LE(16, 16); b.writeUInt16LE(1, 20); b.writeUInt16LE(1, 22);
  b.writeUInt32LE(rate, 24); b.writeUInt32LE(rate, 28); b.writeUInt16LE(1, 32); b.writeUInt16LE(8, 34); b.write("data", 36); b.writeUInt32LE(rate, 40);
  for (let i = 0; i < rate; i++) b[44 + i] = 128 + Math.round(60 * Math.sin(i / 6));
  return b;
}
async function hostileAndVoice() {
  const chat = (await api("POST", "/chats", { chat: { name: "<b>hostile</b>\u202e chat", member_ids: [], channel: false, public: false } })).data;
  const text = '<img src=x onerror="alert(1)"><script>alert(2)</script> [click](javascript:alert(3)) [ok](https://example.com/a?b=1) **bold** `code`\n```\n<svg onload=alert(4)>\n```';
  await api("POST", "/messages", { message: { entity_id: chat.id, content: text } });
  const up = await api("POST", "/uploads"), form = new FormData();
  for (const [k, v] of Object.entries(up)) if (k !== "direct_url") form.append(k, v);
  form.append("file", new Blob([tone()]), "voice.wav");
  const put = await fetch(up.direct_url, { method: "POST", body: form });
  ok(put.status === 204 || put.status === 201, "a voice note can be stored", String(put.status));
  await api("POST", "/messages", { message: { entity_id: chat.id, content: "", files: [{ key: up.key.replace("${filename}", "voice.wav"), name: "voice.wav",
    file_type: "voice", size: 8044, duration_ms: 61000, waveform: "4,8,12,20,16,10,6,3" }] } });
  const { p, wrong, close } = await tab();
  await p.goto(`${page_url}?lang=en&chat=${chat.id}&compare=1`);
  await p.waitForSelector("#list article .files");
  is(await p.locator("#list article img, #list article script, #list article svg:not(.wave):not(.icon)").count(), 0, "hostile text stays text");
  ok((await p.textContent("#list article .text")).includes("<script>alert(2)</script>"), "and is shown as it is");
  is(await p.locator('#list a[href^="javascript"]').count(), 0, "no link runs a script");
  is(await p.locator('#list a[href="https://example.com/a?b=1"]').count(), 1, "an honest link is a link");
  is(await p.locator("#list .wave rect").count(), 8, "a voice note shows its wave");
  ok((await p.textContent("#list .voice")).includes("1:01"), "and its length");
  const played = await p.locator("#list audio").evaluate(a => new Promise(done => { a.preload = "metadata"; a.onloadedmetadata = () => done(a.duration); a.onerror = () => done(-1); a.load(); }));
  ok(Math.abs(played - 1) < 0.1, "and can be played", String(played));
  await p.waitForSelector("#list .source");
  ok((await p.textContent("#list .source")).includes("Not from the archive"), "what is not from the archive is called so");
  is(wrong.join("; "), "", "nothing ran");
  await close();
}

async function big() {
  const { p, wrong, close } = await tab();
  await p.goto(big_url + "?lang=en");
  await p.waitForSelector(".chat");
  const total = Number((await p.textContent("#totals")).match(/([\d,.\s]+) messages/)[1].replace(/\D/g, ""));
  ok(total >= 90000, "a target of 100,000 messages", String(total));
  const id = await p.$$eval(".chat", b => b.map(x => [Number(x.querySelector(".n").textContent.replace(/\D/g, "")), x.dataset.id]).sort((x, y) => y[0] - x[0])[0][1]);
  const took = async what => { const t = Date.now(); await what(); return Date.now() - t; };
  const open = await took(async () => { await p.click(`.chat[data-id="${id}"]`); await p.waitForFunction(() => document.querySelectorAll("#list article").length === 50); });
  ok(open < 3000, `its largest chat opens at once (${open} ms)`);
  const earlier = await took(async () => { await p.locator("#list .more").first().click(); await p.waitForFunction(() => document.querySelectorAll("#list article").length === 100); });
  ok(earlier < 3000, `and goes back a page (${earlier} ms)`);
  const found = await took(async () => { await p.fill("#q", "zzz-not-there"); await p.press("#q", "Enter"); await p.waitForSelector("#sidelist .empty"); });
  ok(found < 10000, `a search that finds nothing reads it all (${found} ms)`);
  is(wrong.join("; "), "", "without an error");
  await close();
}

// ---- report and archive: single files, from disk ----
async function onDisk(file, name, more) {
  for (const [width, scheme] of [[1280, "light"], [390, "dark"]]) {
    const { p, wrong, close } = await tab({ width, scheme, allowed: "file://" });
    await p.goto("file://" + file);
    await p.waitForLoadState("load");
    is(await overflow(p), 0, `${name}, ${width} pixels: nothing sticks out`);
    await accessible(p, `${name}, ${width} pixels, ${scheme}`);
    await shot(p, `${name.replace(/\W+/g, "-")}-${width}-${scheme}`);
    if (more && width === 1280) await more(p);
    is(wrong.join("; "), "", `${name}, ${width} pixels: no error, nothing from elsewhere`);
    await close();
  }
}

try {
  await chatPage();
  await besideSource();
  await narrowAndDark();
  await hostileAndVoice();
  await big();
  await onDisk(report, "report", async p => {
    ok(await p.locator("svg").count() > 0, "the report has its plots");
    const pdf = await p.pdf({ format: "A4" });
    ok(pdf.length > 10000, "and prints");
  });
  await onDisk(path.join(archive, "index.html"), "archive index", async p => {
    await p.fill("input[type=search]", "замечаний");
    await p.keyboard.press("Enter");
    await p.waitForFunction(() => document.body.innerText.includes("ждём замечаний"));
    ok(true, "the archive's search works from disk");
  });
  await onDisk(path.join(archive, "c/1/1.html"), "archive chat");
} catch (e) {
  ok(false, "the pages can be walked through", e.stack);
}
await browser.close();
console.log(`1..${n}`);
process.exit(bad ? 1 : 0);
