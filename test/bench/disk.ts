/** The benchmarks' root file system as a chunked image such as the extension ships, for the worker in Chromium. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeChunks } from '../../images/chunker.ts';
import { layOutExt2 } from '../../images/ext2writer.ts';
import { bytesContent, findNode, fromDirectory, type DirectoryNode } from '../../images/tree.ts';
import { imageId, manifestFormat, writeManifest, type Manifest } from '../../webview/fs/block/manifest.ts';

const chunkSize = 256 * 1024;
const size = 2 * 2 ** 30;
const inodes = 131_072;

/** The worker starts all programs as `user`; here that is another name of root, since natively the benchmarks run as root. */
function addUser(root: DirectoryNode): void {
  const passwd = findNode(root, '/etc/passwd');
  const etc = findNode(root, '/etc');
  if (passwd?.kind !== 'file' || etc?.kind !== 'directory') throw new Error('the root file system has no /etc/passwd');
  const text = new Uint8Array(passwd.content.size);
  passwd.content.read(0, text);
  const changed = Buffer.concat([text, Buffer.from('user:x:0:0:benchmarks:/root:/bin/bash\n')]);
  etc.entries.set('passwd', { ...passwd, content: bytesContent(changed) });
}

/** Builds the image of `rootfs` in `folder` unless it is there; `stamp` is a file that is written anew when the tree changes. */
export async function makeBenchImage(rootfs: string, stamp: string, folder: string): Promise<void> {
  const recipeHash = createHash('sha256').update(readFileSync(stamp)).digest('hex');
  const path = join(folder, 'manifest.json');
  if (existsSync(path) && (JSON.parse(readFileSync(path, 'utf8')) as Manifest).recipeHash === recipeHash) return;
  const date = Math.floor(statSync(stamp).mtimeMs / 1000);
  const tree = fromDirectory(rootfs, date);
  addUser(tree);
  const uuid = Buffer.from(recipeHash.slice(0, 32), 'hex');
  const image = layOutExt2(tree, { size, inodes, label: 'bench', date, uuid, hashSeed: uuid });
  const work = `${folder}.new`;
  rmSync(work, { recursive: true, force: true });
  const { files, chunks } = await writeChunks(image, chunkSize, work);
  const manifest: Manifest = {
    format: manifestFormat, name: 'bench', recipe: 'bench', recipeHash, id: imageId({ size, chunkSize, chunks }), date, size, blockSize: 4096, chunkSize,
    compression: 'deflate-raw', boot: [], files, chunks, packages: [],
  };
  writeFileSync(join(work, 'manifest.json'), writeManifest(manifest));
  rmSync(folder, { recursive: true, force: true });
  renameSync(work, folder);
}
