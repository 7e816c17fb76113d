// Runs a TypeScript file under Node: `node scripts/ts.mjs FILE.ts [ARG...]`. Bundled by esbuild into build/ts/, so no loader is needed.
import { build } from 'esbuild';
import { mkdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [entry] = process.argv.splice(2, 1);
if (!entry) {
  console.error('usage: node scripts/ts.mjs FILE.ts [ARG...]');
  process.exit(2);
}
const outdir = join(root, 'build/ts');
mkdirSync(outdir, { recursive: true });
const outfile = join(outdir, `${basename(entry, '.ts')}-${process.pid}.mjs`);
await build({
  entryPoints: [resolve(entry)], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20',
  packages: 'external', sourcemap: 'inline', logLevel: 'warning',
});
process.on('exit', () => { try { process.getBuiltinModule?.('node:fs')?.unlinkSync(outfile); } catch { /* left for the next clean */ } });
await import(pathToFileURL(outfile).href);
