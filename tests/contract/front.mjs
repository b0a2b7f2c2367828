// front.mjs: puts Prism (a validator that knows nothing of us) between mvchat and the sandbox and records what it finds.
//   node front.mjs SPEC.yaml UPSTREAM PORT_FILE OUT.jsonl
// A request takes the way client -> this front -> Prism (validates, adds "sl-violations") -> sandbox. Every exchange becomes one
// line of OUT: {method, path, status, violations:[{location, severity, code, message}]}. Loopback only, ephemeral ports.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import yaml from 'js-yaml';

const [spec, upstream, portFile, out] = process.argv.slice(2);

// OpenAPI 3.0 does not let `nullable` next to `allOf` admit null, though the vendor means it to; and operations that need no
// token still inherit the global one. Both are put right in memory, never in the vendor's file.
function repair(node) {
  if (Array.isArray(node)) return node.map(repair);
  if (!node || typeof node !== 'object') return node;
  const copy = Object.fromEntries(Object.entries(node).map(([k, v]) => [k, repair(v)]));
  if (copy.nullable === true && Array.isArray(copy.allOf)) {
    const { allOf, nullable, ...rest } = copy;
    return { ...rest, anyOf: [...(allOf.length === 1 ? allOf : [{ allOf }]), { type: 'object', nullable: true, enum: [null] }] };
  }
  if (copy['x-requirements']?.auth === false) copy.security = [];
  return copy;
}
const fixed = path.join(path.dirname(out), 'spec.json');
fs.writeFileSync(fixed, JSON.stringify(repair(yaml.load(fs.readFileSync(spec, 'utf8')))));

const freePort = () => new Promise((resolve) => {
  const s = net.createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => resolve(port)); });
});
const prismPort = await freePort();
const cli = path.join(path.dirname(new URL(import.meta.url).pathname), 'node_modules/@stoplight/prism-cli/dist/index.js');
const prism = spawn(process.execPath, [cli, 'proxy', '-v', 'error', '-h', '127.0.0.1', '-p', String(prismPort), fixed, upstream], { stdio: ['ignore', 'ignore', 'inherit'] });
const stop = () => { prism.kill(); process.exit(0); };
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
prism.on('exit', (code) => { console.error(`prism ended: ${code}`); process.exit(1); });

const waitFor = async () => {
  for (let i = 0; i < 600; i++) {
    const up = await new Promise((resolve) => {
      const s = net.connect(prismPort, '127.0.0.1', () => { s.destroy(); resolve(true); }).on('error', () => resolve(false));
    });
    if (up) return;
    await new Promise((r) => setTimeout(r, 50));
  }
  throw new Error('prism does not listen');
};
await waitFor();

const log = fs.createWriteStream(out, { flags: 'a' });
const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
const server = http.createServer((req, res) => {
  const headers = { ...req.headers, host: `127.0.0.1:${prismPort}` };
  const forward = http.request({ host: '127.0.0.1', port: prismPort, method: req.method, path: req.url, headers, agent }, (answer) => {
    const raw = answer.headers['sl-violations'];
    log.write(JSON.stringify({ method: req.method, path: req.url.split('?')[0], status: answer.statusCode, violations: raw ? JSON.parse(raw) : [] }) + '\n');
    const pass = { ...answer.headers };
    delete pass['sl-violations'];
    res.writeHead(answer.statusCode, pass);
    answer.pipe(res);
  });
  forward.on('error', (e) => { log.write(JSON.stringify({ method: req.method, path: req.url, status: 0, violations: [{ severity: 'Error', message: String(e) }] }) + '\n'); res.destroy(); });
  req.pipe(forward);
});
server.listen(0, '127.0.0.1', () => fs.writeFileSync(portFile, String(server.address().port)));
