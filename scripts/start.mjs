// `npm start`: on a machine with Node 20 or newer, all that it takes to open the Linux VM in a VS Code of its own in the browser.
// --port=N (8139).
import { spawnSync } from 'node:child_process';
import { ensureNodePackages, fail, root } from './setup.mjs';

const port = process.argv.slice(2).map(argument => /^--port=(\d+)$/.exec(argument)?.[1] ?? fail(`Not an option: ${argument} (there is --port=N)`))[0] ?? '8139';

function step(...args) {
  const done = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (done.status !== 0) process.exit(done.status ?? 1);
}

ensureNodePackages();
step('scripts/ts.mjs', 'images/build.ts');
step('scripts/build.mjs');
step('scripts/ts.mjs', 'scripts/vscode/serve.ts', root, port);
