// Builds everything that runs into dist/: the extension for both hosts, the page, the VM's worker, the engine's wasm, the headless VM,
// the icon; and brings the built disk image along. `buildInto` builds into another folder, for tests.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, linkSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { iconPng } from './icon.mjs';
import { ensureNodePackages } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = name => join(root, name);

/** One bundle per place that code runs in. Paths are relative to the repository and to dist/. */
export const bundles = {
  node: { entryPoints: [at('src/extension.ts')], file: 'node/extension.js', platform: 'node', format: 'cjs', target: 'node20', external: ['vscode'] },
  web: { entryPoints: [at('src/extension.ts')], file: 'web/extension.js', platform: 'browser', format: 'cjs', target: 'es2022', external: ['vscode'] },
  page: { entryPoints: { page: at('webview/page/main.ts'), start: at('webview/page/start.ts') }, folder: 'page', platform: 'browser', format: 'iife', target: 'es2022' },
  worker: { entryPoints: [at('webview/vm/worker.ts')], file: 'worker.js', platform: 'browser', format: 'esm', target: 'es2022' },
  headless: { entryPoints: [at('webview/vm/node/main.ts')], file: 'headless.mjs', platform: 'node', format: 'esm', target: 'node20' },
};

/** Builds these bundles (with other options where `change` names some) into `dist`. */
export async function buildInto(dist, names = Object.keys(bundles), change = {}) {
  mkdirSync(dist, { recursive: true });
  ensureNodePackages();
  const { build } = await import('esbuild');
  await Promise.all(names.map(name => {
    const { file, folder, ...options } = { ...bundles[name], ...change[name] };
    const out = file ? { outfile: join(dist, file) } : { outdir: join(dist, folder) };
    return build({ minify: true, sourcemap: false, ...options, ...out, bundle: true, logLevel: 'warning', legalComments: 'linked' });
  }));
  for (const name of ['codicon.css', 'codicon.ttf']) cpSync(at(`node_modules/@vscode/codicons/dist/${name}`), join(dist, 'page', name));
  writeFileSync(join(dist, 'icon.png'), iconPng(256));
}

/** Puts the built image's files into dist/images/: links where the file system can, for they are large. */
export function bringImage(dist, image = at('build/images/base')) {
  if (!existsSync(join(image, 'manifest.json'))) throw new Error('There is no disk image: npm run image makes it.');
  const target = join(dist, 'images/base');
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(image)) {
    if (!statSync(join(image, name)).isFile()) continue;
    try {
      linkSync(join(image, name), join(target, name));
    } catch {
      cpSync(join(image, name), join(target, name));
    }
  }
}

/** Everything that `npm run build` makes; the disk only if it has been built. */
export async function buildAll() {
  const dist = at('dist');
  await buildInto(dist);
  execFileSync(process.execPath, [at('scripts/ts.mjs'), at('scripts/engine.ts'), join(dist, 'engine.wasm')], { cwd: root, stdio: 'inherit' });
  if (existsSync(at('build/images/base/manifest.json'))) bringImage(dist);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await buildAll();
