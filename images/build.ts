/**
 * `npm run image [-- RECIPE...]`: builds `build/images/NAME/` (manifest.json and chunks) and `build/rootfs/NAME/` (the same tree, to be run
 * natively for comparison; never write into it: then it is built anew). What is up to date is left alone.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { manifestFormat, imageId, readManifest, writeManifest, type Manifest } from '../webview/fs/block/manifest.ts';
import { chunksOf, writeChunks } from './chunker.ts';
import { layOutExt2 } from './ext2writer.ts';
import { readOrder } from './order.ts';
import { installedPackages } from './packages.ts';
import { BuildError, fingerprint, isRoot, makeRootfs, needRoot } from './rootfs.ts';
import type { Recipe } from './recipe.ts';
import { recipes } from './recipes/index.ts';
import { fromDirectory } from './tree.ts';

const log = (line: string): void => console.log(line);
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(0)} s`;
const hashFiles = (project: string, paths: readonly string[]): string => {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(`${path}\0`).update(readFileSync(join(project, path))).update('\0');
  return hash.digest('hex');
};

/** The sources that a root file system and an image depend on, as paths from the project's folder. */
function sourcesOf(project: string, name: string): { rootfs: string[]; image: string[] } {
  const rootfs = ['images/rootfs.ts', `images/recipes/${name}.ts`];
  const builder = readdirSync(join(project, 'images')).filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts')).sort().map(file => `images/${file}`);
  const order = `images/recipes/${name}.order.txt`;
  return { rootfs, image: [...builder, `images/recipes/${name}.ts`, 'webview/fs/block/manifest.ts', ...(existsSync(join(project, order)) ? [order] : [])] };
}

interface RootfsStamp { readonly sources: string; readonly fingerprint: string; readonly date: number }

/** The date of an up-to-date, untouched root file system, or undefined. Whether it is untouched only root can see, who made it: for others the stamp counts. */
function rootfsDate(directory: string, sources: string): number | undefined {
  if (!existsSync(directory) || !existsSync(`${directory}.json`)) return undefined;
  const stamp = JSON.parse(readFileSync(`${directory}.json`, 'utf8')) as RootfsStamp;
  return stamp.sources === sources && (!isRoot() || stamp.fingerprint === fingerprint(directory)) ? stamp.date : undefined;
}

function imageIsCurrent(directory: string, recipeHash: string, date: number): boolean {
  const path = join(directory, 'manifest.json');
  if (!existsSync(path)) return false;
  const manifest = readManifest(readFileSync(path, 'utf8'));
  return typeof manifest !== 'string' && manifest.recipeHash === recipeHash && manifest.date === date
    && manifest.files.every(file => existsSync(join(directory, file.name)) && statSync(join(directory, file.name)).size === file.size);
}

async function writeImage(project: string, recipe: Recipe, rootfs: string, directory: string, recipeHash: string, date: number): Promise<Manifest> {
  const { name, disk } = recipe;
  const orderPath = join(project, `images/recipes/${name}.order.txt`);
  const uuid = Buffer.from(disk.uuid, 'hex');
  const image = layOutExt2(fromDirectory(rootfs, date), {
    size: disk.size, inodes: disk.inodes, label: disk.label, date, uuid,
    hashSeed: createHash('sha256').update(uuid).digest().subarray(0, 16),
    order: readOrder(existsSync(orderPath) ? readFileSync(orderPath, 'utf8') : ''),
  });
  const work = `${directory}.new`;
  rmSync(work, { recursive: true, force: true });
  const { files, chunks } = await writeChunks(image, disk.chunkSize, work);
  const shape = { size: disk.size, chunkSize: disk.chunkSize, chunks };
  const boot = chunksOf(image.boot, disk.chunkSize, chunks);
  const known = new Set(boot);
  const together = image.together.map(ranges => chunksOf(ranges, disk.chunkSize, chunks).filter(index => !known.has(index) && known.add(index))).filter(list => list.length > 1);
  const manifest: Manifest = {
    format: manifestFormat, name, recipe: name, recipeHash, id: imageId(shape), date, size: disk.size, blockSize: 4096, chunkSize: disk.chunkSize,
    compression: 'deflate-raw', boot, together, files, chunks, packages: installedPackages(rootfs),
  };
  writeFileSync(join(work, 'manifest.json'), writeManifest(manifest));
  rmSync(directory, { recursive: true, force: true });
  renameSync(work, directory);
  return manifest;
}

async function build(project: string, recipe: Recipe): Promise<void> {
  const { name } = recipe;
  const rootfs = join(project, 'build/rootfs', name);
  const directory = join(project, 'build/images', name);
  const sources = sourcesOf(project, name);
  const rootfsHash = hashFiles(project, sources.rootfs);
  const start = performance.now();
  let date = rootfsDate(rootfs, rootfsHash);
  if (date === undefined) {
    needRoot();
    rmSync(`${rootfs}.json`, { force: true });
    date = makeRootfs(recipe, rootfs, log);
    writeFileSync(`${rootfs}.json`, `${JSON.stringify({ sources: rootfsHash, fingerprint: fingerprint(rootfs), date } satisfies RootfsStamp)}\n`);
    log(`root file system ${rootfs}: ${seconds(start)}`);
    rmSync(directory, { recursive: true, force: true });
  }
  const recipeHash = hashFiles(project, sources.image);
  if (imageIsCurrent(directory, recipeHash, date)) {
    log(`image ${name} is up to date`);
    return;
  }
  needRoot();
  const middle = performance.now();
  const manifest = await writeImage(project, recipe, rootfs, directory, recipeHash, date);
  const bytes = manifest.files.reduce((sum, file) => sum + file.size, 0);
  const boot = new Set(manifest.boot);
  const bootBytes = manifest.chunks.filter(chunk => boot.has(chunk.index)).reduce((sum, chunk) => sum + chunk.length, 0);
  log(`image ${name}: ${(bytes / 1e6).toFixed(1)} MB in ${manifest.files.length} files, ${manifest.chunks.length} chunks of ${manifest.chunkSize / 1024} KiB, `
    + `${manifest.packages.length} packages; boot ${manifest.boot.length} chunks, ${(bootBytes / 1e6).toFixed(1)} MB, ${(manifest.together ?? []).flat().length} for ${(manifest.together ?? []).length} commands; ${seconds(middle)}`);
  log(`id ${manifest.id}`);
}

const names = process.argv.slice(2);
try {
  for (const name of names.length > 0 ? names : ['base']) {
    const recipe = recipes[name];
    if (recipe === undefined) throw new BuildError(`There is no recipe "${name}"; there are: ${Object.keys(recipes).join(', ')}.`);
    await build(process.cwd(), recipe);
  }
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
