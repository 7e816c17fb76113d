// `npm run -s vm -- [options] [--] COMMAND`: builds the headless VM if its sources are newer, and runs it in this process.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureNodePackages, root } from './setup.mjs';

function newest(folder) {
  let time = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) time = Math.max(time, newest(path));
    else if (entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts')) time = Math.max(time, statSync(path).mtimeMs);
  }
  return time;
}

const program = join(root, 'dist/headless.mjs');
const engine = join(root, 'dist/engine.wasm');
const built = Math.min(...[program, engine].map(file => (existsSync(file) ? statSync(file).mtimeMs : 0)));
if (newest(join(root, 'webview')) > built) {
  ensureNodePackages();
  // What a build prints must not mix with what the guest prints.
  const { buildInto } = await import('./build.mjs');
  await buildInto(join(root, 'dist'), ['headless']);
  execFileSync(process.execPath, [join(root, 'scripts/ts.mjs'), join(root, 'scripts/engine.ts'), engine], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
}
await import(pathToFileURL(program).href);
