/** Operations on directories. Each is one plain function that runs inside a transaction: 0 or an inode, -errno, or a Wait. */
import { Errno } from '../../kernel/abi/errno.ts';
import { S_IFDIR } from '../../kernel/abi/stat.ts';
import { toBytes, type ByteString } from '../../lib/byteString.ts';
import { Wait, type Attempt } from '../../lib/wait.ts';
import type { DirectoryEntry, NewInode } from '../vfs/inode.ts';
import { pointerCount } from './blockMap.ts';
import { Buffer } from './buffers.ts';
import * as directory from './directory.ts';
import type { Ext2Inode } from './inode.ts';
import { EXT2_INDEX_FL } from './inodeRecord.ts';
import { EXT2_ROOT_INO, linkMax } from './layout.ts';
import { NameFilter, smallDirectory } from './nameFilter.ts';

/** Where an entry is. */
interface Place {
  readonly buffer: Buffer;
  readonly offset: number;
}

function blockCount(dir: Ext2Inode): number {
  return dir.size / dir.fileSystem.geometry.blockSize;
}

/** Finds a name's record. -ENOENT, -EUCLEAN if it isn't found in a damaged directory. */
function locate(dir: Ext2Inode, name: ByteString): Attempt<Place | number> {
  const { fileSystem } = dir;
  const count = blockCount(dir);
  if (dir.names?.mayHave(name) === false) return -Errno.ENOENT;
  const start = dir.foundIn < count ? dir.foundIn : 0;
  let isDamaged = false;
  for (let i = 0; i < count; i++) {
    const logical = start + i < count ? start + i : start + i - count;
    const buffer = fileSystem.fileBlock(dir, logical);
    if (buffer instanceof Wait || (typeof buffer === 'number' && buffer < 0 && buffer !== -Errno.EUCLEAN)) return buffer;
    if (typeof buffer === 'number') {
      fileSystem.damaged(`directory inode ${dir.ino} lacks block ${logical}`);
      isDamaged = true;
      continue;
    }
    const offset = directory.findRecord(buffer, name, fileSystem.directoryFormat);
    if (offset >= 0) {
      dir.foundIn = logical;
      return { buffer, offset };
    }
    if (offset === -2) {
      fileSystem.damaged(`directory inode ${dir.ino} has a bad entry in block ${logical}`);
      isDamaged = true;
    }
  }
  if (isDamaged) return -Errno.EUCLEAN;
  if (count >= smallDirectory && (dir.names === undefined || dir.names.isFull)) dir.names = namesOf(dir, count);
  return -Errno.ENOENT;
}

/** The names of a large directory whose blocks have just been looked at; undefined if one has to be waited for. */
function namesOf(dir: Ext2Inode, count: number): NameFilter | undefined {
  const { fileSystem } = dir;
  const filter = new NameFilter(dir.size);
  for (let logical = 0; logical < count; logical++) {
    const buffer = fileSystem.fileBlock(dir, logical);
    if (!(buffer instanceof Buffer)) return undefined;
    const isWhole = directory.listRecords(buffer.view, buffer.bytes, 0, fileSystem.directoryFormat, name => {
      filter.add(name);
      return true;
    });
    if (!isWhole) return undefined;
  }
  return filter;
}

/** The inode number of a name, or -ENOENT. */
export function find(dir: Ext2Inode, name: ByteString): Attempt<number> {
  const place = locate(dir, name);
  if (place instanceof Wait || typeof place === 'number') return place;
  return directory.recordInode(place.buffer.view, place.offset);
}

/** As `locate`, and the entry must be `inode`'s: -EUCLEAN otherwise. */
function locateEntry(dir: Ext2Inode, name: ByteString, inode: Ext2Inode): Attempt<Place | number> {
  const place = locate(dir, name);
  if (place instanceof Wait || typeof place === 'number') return place;
  return directory.recordInode(place.buffer.view, place.offset) === inode.ino ? place : -Errno.EUCLEAN;
}

/** Takes part in the transaction, as a directory whose entries change: times, and no index any more. */
function touchDirectory(dir: Ext2Inode): Attempt<number> {
  const joined = dir.touch();
  if (joined !== 0) return joined;
  dir.flags &= ~EXT2_INDEX_FL;
  dir.mtime = dir.ctime = dir.fileSystem.now();
  return 0;
}

/** Enters a name that isn't there. */
function addEntry(dir: Ext2Inode, name: ByteString, ino: number, mode: number): Attempt<number> {
  const { fileSystem } = dir;
  const { buffers, map, geometry, directoryFormat } = fileSystem;
  const joined = touchDirectory(dir);
  if (joined !== 0) return joined;
  dir.names?.add(name);
  const size = directory.recordSize(name.length);
  const count = blockCount(dir);
  for (let logical = Math.min(dir.roomFrom, count); logical < count; logical++) {
    const buffer = fileSystem.fileBlock(dir, logical);
    if (buffer instanceof Wait) return buffer;
    if (typeof buffer === 'number') {
      if (buffer < 0 && buffer !== -Errno.EUCLEAN) return buffer;
      continue;
    }
    const offset = directory.findRoom(buffer.view, size, directoryFormat);
    if (offset < 0) continue;
    buffers.change(buffer);
    directory.putRecord(buffer.view, buffer.bytes, offset, name, ino, mode, directoryFormat);
    dir.roomFrom = logical;
    dir.foundIn = logical;
    return 0;
  }
  let fresh = 0;
  const block = map.mapOrAllocate(dir, count, made => {
    fresh = made;
  });
  if (block instanceof Wait || block < 0) return block;
  if (fresh !== block) return -Errno.EUCLEAN; // a block beyond the directory's end
  const buffer = buffers.fresh(block);
  directory.writeRecord(buffer.view, buffer.bytes, 0, geometry.blockSize, name, ino, mode, directoryFormat);
  dir.size += geometry.blockSize;
  dir.roomFrom = dir.foundIn = count;
  return 0;
}

function removeEntry(dir: Ext2Inode, place: Place): Attempt<number> {
  const joined = touchDirectory(dir);
  if (joined !== 0) return joined;
  dir.fileSystem.buffers.change(place.buffer);
  directory.removeRecord(place.buffer.view, place.offset, dir.fileSystem.directoryFormat);
  dir.roomFrom = Math.min(dir.roomFrom, dir.foundIn);
  return 0;
}

/** A new inode, not linked yet. */
function make(dir: Ext2Inode, inode: NewInode): Attempt<Ext2Inode | number> {
  return dir.fileSystem.makeInode(inode, dir.ino, dir.ino === EXT2_ROOT_INO);
}

export function create(dir: Ext2Inode, name: ByteString, inode: NewInode): Attempt<Ext2Inode | number> {
  const made = make(dir, inode);
  if (made instanceof Wait || typeof made === 'number') return made;
  made.linkCount = 1;
  made.setDevice(inode.rdev);
  const added = addEntry(dir, name, made.ino, made.mode);
  return added === 0 ? made : added;
}

export function mkdir(dir: Ext2Inode, name: ByteString, inode: NewInode): Attempt<Ext2Inode | number> {
  const { fileSystem } = dir;
  const { buffers, map, geometry, directoryFormat } = fileSystem;
  if (dir.linkCount >= linkMax) return -Errno.EMLINK;
  const made = make(dir, inode);
  if (made instanceof Wait || typeof made === 'number') return made;
  made.linkCount = 2;
  const block = map.mapOrAllocate(made, 0);
  if (block instanceof Wait || block < 0) return block;
  const { view, bytes } = buffers.fresh(block);
  const first = directory.recordSize(1);
  directory.writeRecord(view, bytes, 0, first, '.', made.ino, S_IFDIR, directoryFormat);
  directory.writeRecord(view, bytes, first, geometry.blockSize - first, '..', dir.ino, S_IFDIR, directoryFormat);
  made.size = geometry.blockSize;
  const added = addEntry(dir, name, made.ino, made.mode);
  if (added !== 0) return added;
  dir.linkCount++;
  return made;
}

export function symlink(dir: Ext2Inode, name: ByteString, target: ByteString, inode: NewInode): Attempt<Ext2Inode | number> {
  const { buffers, map, geometry } = dir.fileSystem;
  if (target.length >= geometry.blockSize) return -Errno.ENAMETOOLONG;
  const made = make(dir, inode);
  if (made instanceof Wait || typeof made === 'number') return made;
  made.linkCount = 1;
  const text = toBytes(target);
  if (text.length < pointerCount * 4) {
    new Uint8Array(made.pointers.buffer).set(text);
  } else {
    const block = map.mapOrAllocate(made, 0);
    if (block instanceof Wait || block < 0) return block;
    buffers.fresh(block).bytes.set(text);
  }
  made.size = text.length;
  const added = addEntry(dir, name, made.ino, made.mode);
  return added === 0 ? made : added;
}

/** O_TMPFILE: without a name, on the list of orphans until it gets one. */
export function createUnnamed(dir: Ext2Inode, inode: NewInode): Attempt<Ext2Inode | number> {
  const made = make(dir, inode);
  if (made instanceof Wait || typeof made === 'number') return made;
  made.linkCount = 0;
  const added = dir.fileSystem.orphans.add(made);
  return added === 0 ? made : added;
}

export function link(dir: Ext2Inode, name: ByteString, target: Ext2Inode): Attempt<number> {
  if (target.linkCount >= linkMax) return -Errno.EMLINK;
  const joined = target.touch();
  if (joined !== 0) return joined;
  if (target.linkCount === 0) {
    const removed = dir.fileSystem.orphans.remove(target);
    if (removed !== 0) return removed;
  }
  target.linkCount++;
  target.ctime = dir.fileSystem.now();
  return addEntry(dir, name, target.ino, target.mode);
}

/** Takes one link (all of a directory) from an inode; the last one makes it an orphan. */
function dropLink(inode: Ext2Inode): Attempt<number> {
  const joined = inode.touch();
  if (joined !== 0) return joined;
  inode.ctime = inode.fileSystem.now();
  if (inode.isDirectory) inode.linkCount = 0;
  else if (inode.linkCount > 0) inode.linkCount--;
  return inode.linkCount === 0 ? inode.fileSystem.orphans.add(inode) : 0;
}

export function unlink(dir: Ext2Inode, name: ByteString, target: Ext2Inode): Attempt<number> {
  const place = locateEntry(dir, name, target);
  if (place instanceof Wait || typeof place === 'number') return place;
  const removed = removeEntry(dir, place);
  return removed === 0 ? dropLink(target) : removed;
}

/** 0 if a directory has nothing but . and .., -ENOTEMPTY. */
function checkEmpty(dir: Ext2Inode): Attempt<number> {
  const { fileSystem } = dir;
  for (let logical = 0; logical < blockCount(dir); logical++) {
    const buffer = fileSystem.fileBlock(dir, logical);
    if (buffer instanceof Wait) return buffer;
    if (typeof buffer === 'number') {
      if (buffer < 0) return buffer;
      continue;
    }
    if (!directory.isEmptyBlock(buffer.view, buffer.bytes, fileSystem.directoryFormat)) return -Errno.ENOTEMPTY;
  }
  return 0;
}

export function rmdir(dir: Ext2Inode, name: ByteString, target: Ext2Inode): Attempt<number> {
  const empty = checkEmpty(target);
  if (empty !== 0) return empty;
  const place = locateEntry(dir, name, target);
  if (place instanceof Wait || typeof place === 'number') return place;
  const removed = removeEntry(dir, place);
  if (removed !== 0) return removed;
  loseParent(dir);
  return dropLink(target);
}

/** A directory below `dir` is gone (its '..'). */
function loseParent(dir: Ext2Inode): void {
  if (dir.linkCount > 2) dir.linkCount--;
}

/** Points a directory's '..' at another parent. */
function setParent(moved: Ext2Inode, parent: Ext2Inode): Attempt<number> {
  const { fileSystem } = moved;
  const place = locate(moved, '..');
  if (place instanceof Wait) return place;
  if (typeof place === 'number') return place === -Errno.ENOENT ? -Errno.EUCLEAN : place;
  fileSystem.buffers.change(place.buffer);
  directory.replaceRecord(place.buffer.view, place.offset, parent.ino, S_IFDIR, fileSystem.directoryFormat);
  return 0;
}

interface Name<T> {
  readonly directory: Ext2Inode;
  readonly name: ByteString;
  readonly inode: T;
}

/** Makes `to`'s entry the inode's, in place. */
function replaceEntry(to: Name<Ext2Inode>, inode: Ext2Inode): Attempt<number> {
  const place = locateEntry(to.directory, to.name, to.inode);
  if (place instanceof Wait || typeof place === 'number') return place;
  const joined = touchDirectory(to.directory);
  if (joined !== 0) return joined;
  const { fileSystem } = inode;
  fileSystem.buffers.change(place.buffer);
  directory.replaceRecord(place.buffer.view, place.offset, inode.ino, inode.mode, fileSystem.directoryFormat);
  return 0;
}

function replaceTarget(to: Name<Ext2Inode>, inode: Ext2Inode): Attempt<number> {
  if (to.inode.isDirectory) {
    const empty = checkEmpty(to.inode);
    if (empty !== 0) return empty;
  }
  const replaced = replaceEntry(to, inode);
  if (replaced !== 0) return replaced;
  if (to.inode.isDirectory) loseParent(to.directory);
  return dropLink(to.inode);
}

export function rename(from: Name<Ext2Inode>, to: Name<Ext2Inode | undefined>): Attempt<number> {
  const moved = from.inode;
  const changesParent = moved.isDirectory && from.directory !== to.directory;
  if (changesParent && to.inode === undefined && to.directory.linkCount >= linkMax) return -Errno.EMLINK;
  const entered = to.inode === undefined
    ? addEntry(to.directory, to.name, moved.ino, moved.mode)
    : replaceTarget({ ...to, inode: to.inode }, moved);
  if (entered !== 0) return entered;
  const place = locateEntry(from.directory, from.name, moved);
  if (place instanceof Wait || typeof place === 'number') return place;
  const removed = removeEntry(from.directory, place);
  if (removed !== 0) return removed;
  const joined = moved.touch();
  if (joined !== 0) return joined;
  moved.ctime = moved.fileSystem.now();
  if (!changesParent) return 0;
  loseParent(from.directory);
  to.directory.linkCount++;
  return setParent(moved, to.directory);
}

export function exchange(from: Name<Ext2Inode>, to: Name<Ext2Inode | undefined>): Attempt<number> {
  const other = to.inode!;
  const first = replaceEntry({ ...to, inode: other }, from.inode);
  if (first !== 0) return first;
  const second = replaceEntry(from, other);
  if (second !== 0) return second;
  for (const [inode, parent, old] of [[from.inode, to.directory, from.directory], [other, from.directory, to.directory]] as const) {
    const joined = inode.touch();
    if (joined !== 0) return joined;
    inode.ctime = inode.fileSystem.now();
    if (!inode.isDirectory || parent === old) continue;
    const set = setParent(inode, parent);
    if (set !== 0) return set;
    parent.linkCount++;
    loseParent(old);
  }
  return 0;
}

/** Entries from byte position `from` of the directory, a block's worth; [] at the end. Damaged blocks are left out. */
export function list(dir: Ext2Inode, from: number): Attempt<DirectoryEntry[] | number> {
  const { fileSystem } = dir;
  const { blockSize } = fileSystem.geometry;
  const entries: DirectoryEntry[] = [];
  for (let logical = Math.max(0, Math.floor(from / blockSize)); logical < blockCount(dir) && entries.length === 0; logical++) {
    const buffer = fileSystem.fileBlock(dir, logical);
    if (buffer instanceof Wait) return buffer;
    if (typeof buffer === 'number') {
      if (buffer < 0 && buffer !== -Errno.EUCLEAN) return buffer;
      fileSystem.damaged(`directory inode ${dir.ino} lacks block ${logical}`);
      continue;
    }
    const base = logical * blockSize;
    const isWhole = directory.listRecords(buffer.view, buffer.bytes, from - base, fileSystem.directoryFormat, (name, ino, type, next) => {
      if (name !== '' && !name.includes('/') && !name.includes('\0')) entries.push({ name, ino, type, next: base + next });
      return true;
    });
    if (!isWhole) fileSystem.damaged(`directory inode ${dir.ino} has a bad entry in block ${logical}`);
  }
  return entries;
}
