// screens.mjs: the pictures of the READMEs, made anew from the program as it is. Started by tests/tools/screens.sh.
// screens.mjs LANG PAGE REPORT ARCHIVE SESSION.txt OUT
import { chromium } from "playwright-core";
import fs from "node:fs";
import path from "node:path";

const [lang, page_url, report, archive, session, out] = process.argv.slice(2);

// The terminal session as SVG: real text, so that it can be read aloud, searched and scaled.
const WIDE = 112;
const wrap = line => {
  const all = [];
  let rest = [...line];
  while (rest.length > WIDE) {
    let at = rest.lastIndexOf(" ", WIDE);
    if (at < WIDE / 2) at = WIDE;
    all.push(rest.slice(0, at).join(""));
    rest = [...("      " + rest.slice(at).join("").trimStart())];
  }
  return [...all, rest.join("")];
};
const lines = fs.readFileSync(session, "utf8").replace(/\n$/, "").split("\n").flatMap(wrap), columns = Math.max(...lines.map(l => [...l].length), 80);
const esc = s => s.replace(/&/g, "&amp;").replace(/</g, "&lt;");
const w = columns * 8.4 + 40, h = lines.length * 19 + 40;
fs.writeFileSync(path.join(out, `session.${lang}.svg`), `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w.toFixed(0)} ${h}" width="${w.toFixed(0)}" height="${h}" role="img">
<title>${lang === "ru" ? "Сеанс в терминале: mvchat move" : "A terminal session: mvchat move"}</title>
<rect width="100%" height="100%" rx="10" fill="#16181d"/>
<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" fill="#e7eaf0" style="white-space:pre">
${lines.map((l, i) => `<text x="20" y="${i * 19 + 34}"${l.startsWith("$ ") ? ' fill="#91a7ff"' : /^\d\/\d /.test(l) ? ' font-weight="bold"' : ""}>${esc(l).replace(/^ +/, s => "\u00a0".repeat(s.length))}</text>`).join("\n")}
</g>
</svg>
`);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 760 }, locale: lang === "ru" ? "ru-RU" : "en-US", timezoneId: "Europe/Moscow" });
const p = await context.newPage(), take = name => p.screenshot({ path: path.join(out, `${name}.${lang}.png`) });
await p.goto(page_url + "?lang=" + lang);
await p.click('.chat:has-text("general")');
await p.waitForFunction(() => document.getElementById("title").textContent === "general");
await p.evaluate(() => { document.getElementById("list").scrollTop = 0; });
await p.locator("#list article .open").first().click();
await p.waitForSelector("#sidelist article.root");
await take("sandbox");
await p.click("#close");
await p.click("#compare");
await p.waitForFunction(() => [...document.querySelectorAll("#list article")].every(a => a.querySelector(".source")));
await p.evaluate(() => { document.getElementById("list").scrollTop = 0; });
await take("source");
await p.goto("file://" + report);
await take("report");
await p.goto("file://" + path.join(archive, "index.html"));
await take("archive");
await browser.close();
