/**
 * Here lives the builder of disk images: a recipe's package list becomes a root file system, that becomes an ext2 file system in
 * memory-sparing form, and that is cut into compressed, hashed chunks with a manifest. It runs at build time under Node; nothing of it
 * ships, and nothing here may be imported by the extension or the VM.
 *
 * This file: the tree of files that an image is written from.
 */
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

/** What a regular file holds; read in pieces, so that an image need not fit into memory. */
export interface Content {
  readonly size: number;
  /** Fills `into` with the bytes from `position`; the whole of `into` lies within the file. */
  read(position: number, into: Uint8Array): void;
}

interface NodeBase {
  /** Permission bits with set-user-ID, set-group-ID and sticky: the low 12 bits of st_mode. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

export interface FileNode extends NodeBase { readonly kind: 'file'; readonly content: Content }
export interface SymlinkNode extends NodeBase { readonly kind: 'symlink'; readonly target: Buffer }
export interface DeviceNode extends NodeBase { readonly kind: 'char' | 'block'; readonly major: number; readonly minor: number }
export interface SpecialNode extends NodeBase { readonly kind: 'fifo' | 'socket' }
export interface DirectoryNode extends NodeBase {
  readonly kind: 'directory';
  /** By name; a name is a byte string (one char per byte). Hard links are one node under several names. */
  readonly entries: Map<string, TreeNode>;
}
export type TreeNode = FileNode | SymlinkNode | DeviceNode | SpecialNode | DirectoryNode;

/** Content out of memory. */
export function bytesContent(bytes: Uint8Array): Content {
  return { size: bytes.length, read: (position, into) => into.set(bytes.subarray(position, position + into.length)) };
}

/** Content of a file of this machine; throws if it has become shorter than `size`. */
function fileContent(path: Buffer, size: number): Content {
  return {
    size,
    read(position, into) {
      const fd = openSync(path, 'r');
      try {
        for (let done = 0; done < into.length;) {
          const got = readSync(fd, into, done, into.length - done, position + done);
          if (got === 0) throw new Error(`${path.toString()} became shorter while it was read`);
          done += got;
        }
      } finally {
        closeSync(fd);
      }
    },
  };
}

const types = { 0o100000: 'file', 0o040000: 'directory', 0o120000: 'symlink', 0o020000: 'char', 0o060000: 'block', 0o010000: 'fifo', 0o140000: 'socket' } as const;

/**
 * The tree below a directory of this machine, with modes, owners, hard links and device numbers as they are; times later than `latest`
 * (seconds) become `latest`. Entries are sorted by the bytes of their names, whatever order the host lists them in.
 */
export function fromDirectory(directory: string, latest = Infinity): DirectoryNode {
  const linked = new Map<string, TreeNode>();
  const read = (path: Buffer): TreeNode => {
    const stat = lstatSync(path);
    const key = `${stat.dev}:${stat.ino}`;
    const known = stat.isDirectory() ? undefined : linked.get(key);
    if (known !== undefined) return known;
    const base = { permissions: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtime: Math.min(Math.floor(stat.mtimeMs / 1000), latest) };
    const node = nodeOf(path, stat, base, read);
    if (stat.nlink > 1) linked.set(key, node);
    return node;
  };
  const root = read(Buffer.from(directory));
  if (root.kind !== 'directory') throw new Error(`${directory} is not a directory`);
  return root;
}

function nodeOf(path: Buffer, stat: ReturnType<typeof lstatSync> & object, base: NodeBase, read: (path: Buffer) => TreeNode): TreeNode {
  const kind = types[(Number(stat.mode) & 0o170000) as keyof typeof types];
  const device = Number(stat.rdev);
  switch (kind) {
    case 'file': return { kind, ...base, content: fileContent(path, Number(stat.size)) };
    case 'symlink': return { kind, ...base, target: readlinkSync(path, 'buffer') };
    // glibc gnu_dev_major(3): 12 bits of major above 8 bits of minor, the rest of the minor above them.
    case 'char': case 'block': return { kind, ...base, major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
    case 'fifo': case 'socket': return { kind, ...base };
    case 'directory': {
      const names = readdirSync(path, 'buffer').sort(Buffer.compare);
      const slash = Buffer.from('/');
      return { kind, ...base, entries: new Map(names.map(name => [name.toString('latin1'), read(Buffer.concat([path, slash, name]))])) };
    }
    default: throw new Error(`${path.toString()} has an unknown file type`);
  }
}

/** The node at an absolute path, following no symlink; undefined if there is none. */
export function findNode(root: DirectoryNode, path: string): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const name of path.split('/')) {
    if (name === '') continue;
    if (node?.kind !== 'directory') return undefined;
    node = node.entries.get(name);
  }
  return node;
}
