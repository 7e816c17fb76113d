// Runs a TypeScript file under Node: `node scripts/ts.mjs FILE.ts [ARG...]`. Bundled by esbuild into build/ts/, so no loader is needed.
import { mkdirSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureNodePackages, root } from './setup.mjs';

const [entry] = process.argv.splice(2, 1);
if (!entry) {
  console.error('usage: node scripts/ts.mjs FILE.ts [ARG...]');
  process.exit(2);
}
ensureNodePackages();
const { build } = await import('esbuild');
const outdir = join(root, 'build/ts');
mkdirSync(outdir, { recursive: true });
const outfile = join(outdir, `${basename(entry, '.ts')}-${process.pid}.mjs`);
await build({
  entryPoints: [resolve(entry)], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20',
  packages: 'external', sourcemap: 'inline', logLevel: 'warning',
});
const remove = () => rmSync(outfile, { force: true });
process.on('exit', remove);
await import(pathToFileURL(outfile).href);
// Ctrl+C ends a server without 'exit'.
remove();
