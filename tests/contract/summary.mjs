// summary.mjs OUT.jsonl: TAP. One line per operation seen: fails when any exchange of it broke the contract.
import fs from 'node:fs';

const rows = fs.readFileSync(process.argv[2], 'utf8').trim().split('\n').filter(Boolean).map((l) => JSON.parse(l));
const op = (r) => `${r.method} ${r.path.replace(/\/\d+(?=\/|$)/g, '/{id}')}`;
const groups = new Map();
for (const r of rows) {
  const g = groups.get(op(r)) ?? { n: 0, bad: [] };
  g.n++;
  for (const v of r.violations) if (v.severity === 'Error') g.bad.push(`${r.status} ${(v.location ?? []).join('.')}: ${v.message}`);
  groups.set(op(r), g);
}
let n = 0, bad = 0;
for (const [name, g] of [...groups].sort()) {
  n++;
  if (g.bad.length) bad++;
  console.log(`${g.bad.length ? 'not ok' : 'ok'} ${n} - ${name}: ${g.n} exchanges${g.bad.length ? `, ${g.bad.length} violations` : ''}`);
  for (const b of [...new Set(g.bad)].slice(0, 8)) console.log(`# ${b}`);
}
n++;
const enough = rows.length >= 100 && groups.size >= 8;
if (!enough) bad++;
console.log(`${enough ? 'ok' : 'not ok'} ${n} - the check saw the whole job: ${rows.length} exchanges of ${groups.size} operations`);
console.log(`1..${n}`);
process.exit(bad ? 1 : 0);
