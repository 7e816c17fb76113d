/**
 * Writes an ext2 file system: revision 1, 4 KiB blocks, 256-byte inodes, features ext_attr, filetype, sparse_super and large_file. It
 * is deterministic (the same tree and options give the same bytes) and lazy: the layout is computed first, the bytes of any range are
 * made when asked for. Field names are those of "The Second Extended File System" (D. Poirier).
 *
 * Order on the disk: what a boot uses, in order of use; then all other directories, so that walking the tree touches few chunks; then all
 * other files by path. Inodes are numbered in the same order.
 */
import { Ext2Placer, blockBytes, geometry, type Geometry, type Placement, type Segment } from './ext2layout.ts';
import { layoutOrder, type UseOrder } from './order.ts';
import type { DirectoryNode, TreeNode } from './tree.ts';

export interface Ext2Options {
  /** Bytes of the disk, a multiple of 4096. */
  readonly size: number;
  /** At least this many inodes. */
  readonly inodes: number;
  /** 16 bytes each. */
  readonly uuid: Uint8Array;
  readonly hashSeed: Uint8Array;
  /** s_volume_name, at most 16 characters. */
  readonly label: string;
  /** Seconds since 1970: when the file system says it was made. */
  readonly date: number;
  readonly order?: UseOrder;
}

/** A file system that is laid out but not yet written. */
export interface Ext2Image {
  readonly size: number;
  /** Fills `into` from `position` (both multiples of 4096) and says whether any of it may differ from zero. */
  read(position: number, into: Uint8Array): boolean;
  /** Byte ranges [start, end) that a boot reads, in order of use. */
  readonly boot: readonly (readonly [number, number])[];
  /** The same for each command of the order, as far as nothing before has used it. */
  readonly together: readonly (readonly (readonly [number, number])[])[];
  readonly usedBlocks: number;
  readonly usedInodes: number;
}

const inodeBytes = 256;
const rootInode = 2;
const lostAndFoundInode = 11;
const lostAndFoundBlocks = 4;

/** ext2 "i_mode" formats, and the file types of directory entries (feature filetype). */
const formats = { file: 0x8000, directory: 0x4000, symlink: 0xa000, char: 0x2000, block: 0x6000, fifo: 0x1000, socket: 0xc000 } as const;
const entryTypes = { file: 1, directory: 2, char: 3, block: 4, fifo: 5, socket: 6, symlink: 7 } as const;

/** A node with all that its inode says. */
interface Placed extends Placement { readonly node: TreeNode; readonly inode: number; links: number; readonly size: number }

/** Lays out a tree as an ext2 file system. Throws if the disk is too small for it. */
export function layOutExt2(root: DirectoryNode, options: Ext2Options): Ext2Image {
  const disk = geometry(options.size, options.inodes, inodeBytes);
  const tree = withLostAndFound(root, options.date);
  const { nodes, bootCount, ends } = layoutOrder(tree, options.order ?? { boot: [], later: [] });
  if (lostAndFoundInode + nodes.length > disk.inodesPerGroup * disk.groups) throw new Error(`${nodes.length} files do not fit into ${options.inodes} inodes`);

  const numbers = numberInodes(nodes, tree);
  const placer = new Ext2Placer(disk);
  const placed: Placed[] = [];
  const parents = parentNumbers(tree, numbers);
  const ranges: [number, number][][] = [[], ...ends.map((): [number, number][] => [])];
  let section = 0;
  for (const [i, node] of nodes.entries()) {
    const inode = numbers.get(node)!;
    const start = placer.position;
    const entry = place(node, inode, parents.get(node) ?? rootInode, numbers, placer);
    placed.push(entry);
    while (section <= ends.length && i >= [bootCount, ...ends][section]!) section++;
    const used = ranges[section];
    if (used) {
      const at = disk.inodeAt(inode);
      used.push([at - (at % blockBytes), at - (at % blockBytes) + blockBytes]);
      if (placer.position > start) used.push([start * blockBytes, placer.position * blockBytes]);
    }
  }
  countLinks(tree, placed);

  const segments = [...placer.segments, ...metadata(disk, placer, placed, options)].sort((a, b) => a.block - b.block);
  const superblocks: [number, number] = [0, (disk.firstInodeTable) * blockBytes];
  return {
    size: options.size,
    read: (position, into) => readSegments(segments, position, into),
    boot: bootCount === 0 ? [] : [superblocks, ...ranges[0]!],
    together: ranges.slice(1),
    usedBlocks: placer.used,
    usedInodes: placed.length + lostAndFoundInode - 2,
  };
}

function withLostAndFound(root: DirectoryNode, date: number): DirectoryNode {
  const entries = new Map(root.entries);
  entries.delete('lost+found');
  entries.set('lost+found', { kind: 'directory', permissions: 0o700, uid: 0, gid: 0, mtime: date, entries: new Map() });
  return { ...root, entries };
}

function numberInodes(nodes: readonly TreeNode[], root: DirectoryNode): Map<TreeNode, number> {
  const numbers = new Map<TreeNode, number>([[root, rootInode], [root.entries.get('lost+found')!, lostAndFoundInode]]);
  let next = lostAndFoundInode + 1;
  for (const node of nodes) if (!numbers.has(node)) numbers.set(node, next++);
  return numbers;
}

function parentNumbers(root: DirectoryNode, numbers: ReadonlyMap<TreeNode, number>): Map<TreeNode, number> {
  const parents = new Map<TreeNode, number>();
  const walk = (directory: DirectoryNode): void => {
    for (const child of directory.entries.values()) {
      if (child.kind !== 'directory') continue;
      parents.set(child, numbers.get(directory)!);
      walk(child);
    }
  };
  walk(root);
  return parents;
}

/** ext2 "i_links_count": names of a file; of a directory its name, its "." and the ".." of its children. */
function countLinks(root: DirectoryNode, placed: readonly Placed[]): void {
  const byNode = new Map(placed.map(entry => [entry.node, entry]));
  byNode.get(root)!.links = 2;
  const walk = (directory: DirectoryNode): void => {
    for (const child of directory.entries.values()) {
      const entry = byNode.get(child)!;
      if (child.kind === 'directory') {
        entry.links = 2;
        byNode.get(directory)!.links++;
        walk(child);
      } else {
        entry.links++;
      }
    }
  };
  // A parent counts before its children do: it is set to 2 when its own parent is walked, before the walk descends.
  walk(root);
}

function place(node: TreeNode, inode: number, parent: number, numbers: ReadonlyMap<TreeNode, number>, placer: Ext2Placer): Placed {
  const none: Placement = { pointers: new Uint32Array(15), blocks: 0 };
  switch (node.kind) {
    case 'file': return { node, inode, links: 0, size: node.content.size, ...placer.file(node.content) };
    case 'directory': {
      const bytes = directoryBytes(node, inode, parent, numbers, inode === lostAndFoundInode ? lostAndFoundBlocks : 1);
      return { node, inode, links: 0, size: bytes.length, ...placer.bytes(bytes) };
    }
    case 'symlink': {
      // A target of less than 60 bytes lies in i_block itself ("fast symlink").
      const placement = node.target.length < 60 ? { pointers: pointersOf(node.target), blocks: 0 } : placer.bytes(node.target);
      return { node, inode, links: 0, size: node.target.length, ...placement };
    }
    case 'char': case 'block': return { node, inode, links: 0, size: 0, pointers: devicePointers(node.major, node.minor), blocks: 0 };
    default: return { node, inode, links: 0, size: 0, ...none };
  }
}

function pointersOf(target: Uint8Array): Uint32Array {
  const bytes = new Uint8Array(60);
  bytes.set(target);
  return new Uint32Array(bytes.buffer);
}

/** Linux keeps small device numbers in i_block[0] in the old 8:8 form, others in i_block[1] (fs/ext2 does the same). */
function devicePointers(major: number, minor: number): Uint32Array {
  const pointers = new Uint32Array(15);
  if (major < 256 && minor < 256) pointers[0] = (major << 8) | minor;
  else pointers[1] = (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
  return pointers;
}

/** ext2 "Linked Directory Entry Structure": inode, rec_len, name_len, file_type, name; no record crosses a block. */
function directoryBytes(node: DirectoryNode, self: number, parent: number, numbers: ReadonlyMap<TreeNode, number>, leastBlocks: number): Uint8Array {
  const entries: [string, number, number][] = [['.', self, entryTypes.directory], ['..', parent, entryTypes.directory]];
  for (const [name, child] of node.entries) {
    if (name.length > 255) throw new Error(`the name "${name}" is longer than ext2 allows`);
    entries.push([name, numbers.get(child)!, entryTypes[child.kind]]);
  }
  const blocks: Buffer[] = [];
  let block = Buffer.alloc(blockBytes);
  let at = 0;
  let last = 0;
  const close = (): void => {
    block.writeUInt16LE(blockBytes - last, last + 4);
    blocks.push(block);
    block = Buffer.alloc(blockBytes);
    at = last = 0;
  };
  for (const [name, inode, type] of entries) {
    const length = (8 + name.length + 3) & ~3;
    if (at + length > blockBytes) close();
    block.writeUInt32LE(inode, at);
    block.writeUInt16LE(length, at + 4);
    block.writeUInt8(name.length, at + 6);
    block.writeUInt8(type, at + 7);
    block.write(name, at + 8, 'latin1');
    last = at;
    at += length;
  }
  close();
  while (blocks.length < leastBlocks) close();
  return Buffer.concat(blocks);
}

/** Superblocks, group descriptors, bitmaps and inode tables. */
function metadata(disk: Geometry, placer: Ext2Placer, placed: readonly Placed[], options: Ext2Options): Segment[] {
  const inodes = new InodeTables(disk, placed);
  const descriptors = Buffer.alloc(disk.descriptorBlocks * blockBytes);
  const segments: Segment[] = [];
  let freeBlocks = 0;
  let freeInodes = 0;
  for (let g = 0; g < disk.groups; g++) {
    const blockBitmap = placer.bitmap(g);
    const inodeBitmap = inodes.bitmap(g);
    const counts = { blocks: blockBitmap.free, inodes: inodeBitmap.free, directories: inodes.directories[g]! };
    freeBlocks += counts.blocks;
    freeInodes += counts.inodes;
    const at = disk.metadataOf(g);
    descriptors.writeUInt32LE(at.blockBitmap, g * 32);
    descriptors.writeUInt32LE(at.inodeBitmap, g * 32 + 4);
    descriptors.writeUInt32LE(at.inodeTable, g * 32 + 8);
    descriptors.writeUInt16LE(counts.blocks, g * 32 + 12);
    descriptors.writeUInt16LE(counts.inodes, g * 32 + 14);
    descriptors.writeUInt16LE(counts.directories, g * 32 + 16);
    segments.push(bytesSegment(at.blockBitmap, blockBitmap.bytes), bytesSegment(at.inodeBitmap, inodeBitmap.bytes), ...inodes.segments(g));
  }
  for (let g = 0; g < disk.groups; g++) {
    if (!disk.hasSuperblock(g)) continue;
    const superblock = superblockBytes(disk, g, freeBlocks, freeInodes, options);
    const block = Buffer.alloc(blockBytes);
    superblock.copy(block, g === 0 ? 1024 : 0);
    segments.push(bytesSegment(disk.groupStart(g), block), bytesSegment(disk.groupStart(g) + 1, descriptors));
  }
  return segments;
}

function superblockBytes(disk: Geometry, group: number, freeBlocks: number, freeInodes: number, options: Ext2Options): Buffer {
  const s = Buffer.alloc(1024);
  const fields: readonly (readonly [offset: number, value: number, bytes: 2 | 4])[] = [
    [0, disk.inodesPerGroup * disk.groups, 4], [4, disk.blocks, 4], [8, 0, 4], [12, freeBlocks, 4], [16, freeInodes, 4], // counts; nothing is reserved for root
    [20, 0, 4], [24, 2, 4], [28, 2, 4], // s_first_data_block, s_log_block_size, s_log_frag_size
    [32, disk.blocksPerGroup, 4], [36, disk.blocksPerGroup, 4], [40, disk.inodesPerGroup, 4],
    [44, 0, 4], [48, options.date, 4], [52, 0, 2], [54, 0xffff, 2], // s_mtime, s_wtime, s_mnt_count, s_max_mnt_count: no check by count
    [56, 0xef53, 2], [58, 1, 2], [60, 1, 2], [62, 0, 2], // s_magic, s_state clean, s_errors continue, s_minor_rev_level
    [64, options.date, 4], [68, 0, 4], [72, 0, 4], [76, 1, 4], // s_lastcheck, s_checkinterval, s_creator_os Linux, s_rev_level
    [84, lostAndFoundInode, 4], [88, inodeBytes, 2], [90, group, 2], // s_first_ino, s_inode_size, s_block_group_nr
    [92, 0x8, 4], [96, 0x2, 4], [100, 0x3, 4], // ext_attr; filetype; sparse_super and large_file
    [252, 1, 2], [264, options.date, 4], // s_def_hash_version half MD4, s_mkfs_time
    [348, 32, 2], [350, 32, 2], // s_min_extra_isize, s_want_extra_isize
  ];
  for (const [offset, value, bytes] of fields) s.writeUIntLE(value, offset, bytes);
  s.set(options.uuid.subarray(0, 16), 104);
  s.write(options.label.slice(0, 16), 120, 'latin1');
  s.set(options.hashSeed.subarray(0, 16), 236);
  return s;
}

/** The inode tables of all groups, made block by block. */
class InodeTables {
  readonly directories: Uint32Array;
  readonly #disk: Geometry;
  readonly #byNumber: (Placed | undefined)[] = [];

  constructor(disk: Geometry, placed: readonly Placed[]) {
    this.#disk = disk;
    this.directories = new Uint32Array(disk.groups);
    for (const entry of placed) {
      this.#byNumber[entry.inode] = entry;
      if (entry.node.kind === 'directory') this.directories[Math.floor((entry.inode - 1) / disk.inodesPerGroup)]!++;
    }
  }

  bitmap(group: number): { bytes: Uint8Array; free: number } {
    const bytes = new Uint8Array(blockBytes);
    const { inodesPerGroup } = this.#disk;
    let free = 0;
    for (let i = 0; i < blockBytes * 8; i++) {
      const inode = group * inodesPerGroup + i + 1;
      const used = i >= inodesPerGroup || inode < lostAndFoundInode || this.#byNumber[inode] !== undefined;
      if (used) bytes[i >> 3]! |= 1 << (i & 7);
      else free++;
    }
    return { bytes, free };
  }

  segments(group: number): Segment[] {
    const first = group * this.#disk.inodesPerGroup + 1;
    const used = Math.min(this.#byNumber.length - first, this.#disk.inodesPerGroup);
    if (used <= 0) return [];
    const count = Math.ceil((used * inodeBytes) / blockBytes);
    const fill = (into: Uint8Array, block: number): void => {
      const perBlock = blockBytes / inodeBytes;
      const start = first + block * perBlock;
      for (let i = 0; i < into.length / inodeBytes; i++) {
        const entry = start + i < first + this.#disk.inodesPerGroup ? this.#byNumber[start + i] : undefined;
        if (entry !== undefined) into.set(inodeOf(entry), i * inodeBytes);
      }
    };
    return [{ block: this.#disk.metadataOf(group).inodeTable, count, fill }];
  }
}

/** ext2 "Inode Table", with the first 32 bytes of the larger inode. */
function inodeOf(placed: Placed): Buffer {
  const { node } = placed;
  const inode = Buffer.alloc(inodeBytes);
  inode.writeUInt16LE(formats[node.kind] | node.permissions, 0);
  inode.writeUInt16LE(node.uid & 0xffff, 2);
  inode.writeUInt32LE(placed.size % 2 ** 32, 4);
  for (const time of [8, 12, 16, 144]) inode.writeUInt32LE(node.mtime, time); // i_atime, i_ctime, i_mtime, i_crtime
  inode.writeUInt16LE(node.gid & 0xffff, 24);
  inode.writeUInt16LE(placed.links, 26);
  inode.writeUInt32LE(placed.blocks * (blockBytes / 512), 28);
  for (let i = 0; i < 15; i++) inode.writeUInt32LE(placed.pointers[i]!, 40 + i * 4);
  if (node.kind === 'file') inode.writeUInt32LE(Math.floor(placed.size / 2 ** 32), 108); // i_dir_acl is i_size_high of a file
  inode.writeUInt16LE(node.uid >>> 16, 120);
  inode.writeUInt16LE(node.gid >>> 16, 122);
  inode.writeUInt16LE(32, 128); // i_extra_isize
  return inode;
}

function bytesSegment(block: number, bytes: Uint8Array): Segment {
  return { block, count: bytes.length / blockBytes, fill: (into, from) => into.set(bytes.subarray(from * blockBytes, from * blockBytes + into.length)) };
}

function readSegments(segments: readonly Segment[], position: number, into: Uint8Array): boolean {
  into.fill(0);
  const first = position / blockBytes;
  const end = first + into.length / blockBytes;
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (segments[middle]!.block + segments[middle]!.count <= first) low = middle + 1;
    else high = middle;
  }
  let any = false;
  for (; low < segments.length && segments[low]!.block < end; low++) {
    const segment = segments[low]!;
    const from = Math.max(segment.block, first);
    const to = Math.min(segment.block + segment.count, end);
    segment.fill(into.subarray((from - first) * blockBytes, (to - first) * blockBytes), from - segment.block);
    any = true;
  }
  return any;
}
