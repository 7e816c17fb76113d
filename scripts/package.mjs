// `npm run package`: build/linux-vm-VERSION.vsix with the disk in it. Refuses what a marketplace would: a file of 32 MiB (Open VSX serves
// no larger one to the web), 80 MB in all.
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAll } from './build.mjs';
import { ensureNodePackages, fail, root } from './setup.mjs';

/** Most bytes of one file, and of the package. */
const limits = { file: 32 * 1024 * 1024, total: 80_000_000 };

/** Packs the extension that lies built in `folder` into the file `vsix`; ends the program with a sentence if it is too large. */
export async function pack(folder, vsix) {
  ensureNodePackages();
  const { createVSIX, listFiles } = await import('@vscode/vsce');
  mkdirSync(dirname(vsix), { recursive: true });
  const files = await listFiles({ cwd: folder, dependencies: [] });
  for (const file of files) {
    const { size } = statSync(join(folder, file));
    if (size >= limits.file) fail(`${file} has ${size} bytes; ${limits.file} is too much for one file.`);
  }
  // The README has links into the source, and there is no public repository that they could be pointed to.
  await createVSIX({ cwd: folder, packagePath: vsix, dependencies: false, allowMissingRepository: true, rewriteRelativeLinks: false });
  const { size } = statSync(vsix);
  if (size >= limits.total) fail(`${vsix} has ${size} bytes; ${limits.total} is too much.`);
  console.log(`${vsix}: ${files.length} files, ${(size / 1e6).toFixed(1)} MB`);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (!existsSync(join(root, 'build/images/base/manifest.json'))) fail('There is no disk image: npm run image makes it.');
  await buildAll();
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  await pack(root, join(root, `build/linux-vm-${version}.vsix`));
}
