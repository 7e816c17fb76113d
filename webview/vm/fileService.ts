/**
 * Answers the host's file requests (protocol.ts) from the VFS, with the rights of the VM's login user. Each request is a computation
 * that may wait for the disk; it runs beside the guest's programs and takes the same locks.
 */
import { Errno, errnoName } from '../kernel/abi/errno.ts';
import { O_CREAT, O_EXCL, O_RDONLY, O_TRUNC, O_WRONLY, RENAME_NOREPLACE, W_OK } from '../kernel/abi/fcntl.ts';
import { IN_CLOSE_WRITE, IN_MODIFY } from '../kernel/abi/inotify.ts';
import { S_IALLUGO } from '../kernel/abi/stat.ts';
import type { Caller } from '../fs/vfs/caller.ts';
import type { Inode } from '../fs/vfs/inode.ts';
import { Walk, type Namespace } from '../fs/vfs/namespace.ts';
import type { OpenFile } from '../fs/vfs/openFile.ts';
import type { Dentry, Path } from '../fs/vfs/path.ts';
import { readFully } from '../fs/vfs/readFully.ts';
import type { ByteString } from '../lib/byteString.ts';
import { BufferSource } from '../lib/transfer.ts';
import { retry, runAsync, type Io } from '../lib/wait.ts';
import type { DirectoryEntry, FileAnswers, FileErrorKind, FileKind, FileOutcome, FileRequest, FileStatus } from '../protocol.ts';
import { FileWatches } from './fileWatches.ts';
import { fromHostPath, toHostPath } from './hostPath.ts';

type Value = FileAnswers[keyof FileAnswers];
type Failure = { errno: number };
type Result<T> = T | Failure;

const failed = (value: unknown): value is Failure => typeof value === 'object' && value !== null && 'errno' in value;

const kinds: Readonly<Record<number, FileErrorKind>> = {
  [Errno.ENOENT]: 'FileNotFound', [Errno.EEXIST]: 'FileExists', [Errno.ENOTDIR]: 'FileNotADirectory', [Errno.EISDIR]: 'FileIsADirectory',
  [Errno.EACCES]: 'NoPermissions', [Errno.EPERM]: 'NoPermissions', [Errno.EROFS]: 'NoPermissions',
};

const copyPiece = 1 << 20;

export class FileService {
  readonly #namespace: Namespace;
  readonly #caller: Caller;
  readonly #watches: FileWatches;

  /** `caller` is the login user. Changes seen by watches go to `report` in batches. */
  constructor(namespace: Namespace, caller: Caller, report: ConstructorParameters<typeof FileWatches>[2]) {
    this.#namespace = namespace;
    this.#caller = caller;
    this.#watches = new FileWatches(namespace, caller, report);
  }

  /** Does what the request says; never rejects. */
  async answer(request: FileRequest): Promise<FileOutcome> {
    const result = await runAsync(this.#perform(request));
    if (!failed(result)) return { ok: true, value: result };
    const error = Math.abs(result.errno);
    const path = 'path' in request ? request.path : 'to' in request ? `${request.from} → ${request.to}` : '';
    return { ok: false, failure: { kind: kinds[error] ?? 'Other', errno: errnoName(error), path } };
  }

  *#perform(request: FileRequest): Io<Result<Value>> {
    switch (request.op) {
      case 'stat': return yield* this.#stat(fromHostPath(request.path));
      case 'readDirectory': return yield* this.#readDirectory(fromHostPath(request.path));
      case 'readFile': return yield* this.#readFile(fromHostPath(request.path), request.offset, request.length);
      case 'readLink': return yield* this.#readLink(fromHostPath(request.path));
      case 'writeFile': return yield* this.#writeFile(fromHostPath(request.path), request.content, request.create, request.overwrite);
      case 'createDirectory':
        return nothing(yield* this.#namespace.mkdir(this.#caller, this.#namespace.root, fromHostPath(request.path), 0o777));
      case 'delete': return yield* this.#delete(fromHostPath(request.path), request.recursive);
      case 'rename': return yield* this.#rename(fromHostPath(request.from), fromHostPath(request.to), request.overwrite);
      case 'copy': return yield* this.#copy(fromHostPath(request.from), fromHostPath(request.to), request.overwrite);
      case 'watch': return nothing(yield* this.#watches.add(request.watch, fromHostPath(request.path), request.recursive));
      case 'unwatch': this.#watches.remove(request.watch); return null;
    }
  }

  *#resolve(path: ByteString, walk: number): Io<Result<Path>> {
    const found = yield* this.#namespace.resolve(this.#caller, this.#namespace.root, path, walk);
    if (typeof found === 'number') return { errno: found };
    const refreshed = yield* found.dentry.inode!.refresh();
    return refreshed < 0 ? { errno: refreshed } : found;
  }

  *#stat(path: ByteString): Io<Result<FileStatus>> {
    const own = yield* this.#resolve(path, 0);
    if (failed(own)) return own;
    const symlink = own.dentry.inode!.isSymlink;
    const followed = symlink ? yield* this.#resolve(path, Walk.follow) : own;
    const target = failed(followed) ? own : followed;
    const inode = target.dentry.inode!;
    const writable = yield* this.#namespace.checkAccess(this.#caller, target, W_OK);
    return {
      kind: failed(followed) ? 'other' : kindOf(inode), symlink, mode: inode.mode & S_IALLUGO, size: inode.size,
      mtime: milliseconds(inode.mtime), ctime: milliseconds(inode.ctime), readonly: writable !== 0,
    };
  }

  *#readDirectory(path: ByteString): Io<Result<DirectoryEntry[]>> {
    const directory = yield* this.#resolve(path, Walk.follow | Walk.directory);
    if (failed(directory)) return directory;
    const names = yield* this.#names(directory);
    if (failed(names)) return names;
    const entries: DirectoryEntry[] = [];
    for (const name of names) {
      const own = yield* this.#namespace.resolve(this.#caller, directory, name, 0);
      if (typeof own === 'number') continue; // gone meanwhile, or not ours to see
      const inode = own.dentry.inode!;
      const target = inode.isSymlink ? yield* this.#namespace.resolve(this.#caller, directory, name, Walk.follow) : own;
      entries.push({ name: toHostPath(name), kind: typeof target === 'number' ? 'other' : kindOf(target.dentry.inode!), symlink: inode.isSymlink });
    }
    return entries;
  }

  /** All names of a directory but . and .. */
  *#names(directory: Path): Io<Result<ByteString[]>> {
    const names: ByteString[] = [];
    const allowed = yield* this.#namespace.checkAccess(this.#caller, directory, 4);
    if (allowed < 0) return { errno: allowed };
    for (let from = 0; ;) {
      const entries = yield* directory.dentry.inode!.readDirectory(from, directory);
      if (typeof entries === 'number') return { errno: entries };
      if (entries.length === 0) return names;
      for (const entry of entries) if (entry.name !== '.' && entry.name !== '..') names.push(entry.name);
      from = entries.at(-1)!.next;
    }
  }

  *#open(path: ByteString, flags: number, mode: number): Io<Result<OpenFile>> {
    const file = yield* this.#namespace.open(this.#caller, this.#namespace.root, path, flags, mode);
    return typeof file === 'number' ? { errno: file } : file;
  }

  /** Closes a file that was written, and tells those who watch it, as write(2) and close(2) would. */
  *#closeWritten(file: OpenFile): Io<void> {
    this.#namespace.notify(file.inode, IN_MODIFY, file.path);
    yield* close(file);
    this.#namespace.notify(file.inode, IN_CLOSE_WRITE, file.path);
  }

  *#readFile(path: ByteString, offset: number, length: number): Io<Result<Uint8Array>> {
    const place = yield* this.#resolve(path, Walk.follow);
    if (failed(place)) return place;
    const inode = place.dentry.inode!;
    if (inode.isDirectory) return { errno: -Errno.EISDIR };
    if (!inode.isRegular) return { errno: -Errno.EINVAL };
    const file = yield* this.#open(path, O_RDONLY, 0);
    if (failed(file)) return file;
    const data = yield* readAll(file, offset, length);
    yield* close(file);
    return data;
  }

  *#readLink(path: ByteString): Io<Result<string>> {
    const place = yield* this.#resolve(path, 0);
    if (failed(place)) return place;
    const target = yield* this.#namespace.readlink(this.#caller, place);
    return typeof target === 'number' ? { errno: target } : toHostPath(target);
  }

  *#writeFile(path: ByteString, content: Uint8Array, create: boolean, overwrite: boolean): Io<Result<null>> {
    const existing = yield* this.#resolve(path, Walk.follow);
    if (failed(existing)) {
      if (existing.errno !== -Errno.ENOENT || !create) return existing;
    } else {
      if (existing.dentry.inode!.isDirectory) return { errno: -Errno.EISDIR };
      if (create && !overwrite) return { errno: -Errno.EEXIST };
    }
    const flags = O_WRONLY | O_TRUNC | (create ? O_CREAT : 0) | (create && !overwrite ? O_EXCL : 0);
    const file = yield* this.#open(path, flags, 0o666);
    if (failed(file)) return file;
    const written = yield* writeAll(file, content, 0);
    yield* this.#closeWritten(file);
    return nothing(written);
  }

  *#delete(path: ByteString, recursive: boolean): Io<Result<null>> {
    const place = yield* this.#resolve(path, 0);
    if (failed(place)) return place;
    if (!place.dentry.inode!.isDirectory) return nothing(yield* this.#namespace.unlink(this.#caller, this.#namespace.root, path));
    if (recursive) {
      const names = yield* this.#names(place);
      if (failed(names)) return names;
      for (const name of names) {
        const removed = yield* this.#delete(`${path}/${name}`, true);
        if (failed(removed)) return removed;
      }
    }
    return nothing(yield* this.#namespace.rmdir(this.#caller, this.#namespace.root, path));
  }

  /**
   * What `source` would replace at `to`, null for nothing. -EEXIST unless `overwrite`; -EINVAL for a directory into itself or over what
   * it lies in, by whatever links and mounts the two paths lead there.
   */
  *#replaced(source: Path, to: ByteString, overwrite: boolean): Io<Result<Path | null>> {
    const parent = yield* this.#resolve(to.slice(0, to.lastIndexOf('/')) || '/', Walk.follow | Walk.directory);
    if (failed(parent)) return parent;
    if (contains(source, parent)) return { errno: -Errno.EINVAL };
    const there = yield* this.#resolve(to, 0);
    if (failed(there)) return there.errno === -Errno.ENOENT ? null : there;
    if (!overwrite) return { errno: -Errno.EEXIST };
    return contains(there, source) && !isSame(there, source) ? { errno: -Errno.EINVAL } : there;
  }

  *#rename(from: ByteString, to: ByteString, overwrite: boolean): Io<Result<null>> {
    const source = yield* this.#resolve(from, 0);
    if (failed(source)) return source;
    if (from === to) return null;
    const there = yield* this.#replaced(source, to, overwrite);
    if (failed(there)) return there;
    if (there && isSame(there, source)) return null;
    // For two names of one file rename(2) does nothing.
    if (there && there.dentry.inode === source.dentry.inode) return yield* this.#delete(from, false);
    const moved = yield* this.#move(from, to, overwrite ? 0 : RENAME_NOREPLACE);
    if (!failed(moved)) return null;
    if (moved.errno === -Errno.EXDEV) {
      const copied = yield* this.#make(to, there !== null, () => this.#copyInto(source, from, to));
      return failed(copied) ? copied : yield* this.#delete(from, true);
    }
    return there && isInTheWay(moved.errno) ? yield* this.#make(to, true, () => this.#move(from, to, RENAME_NOREPLACE)) : moved;
  }

  /** rename(2). */
  *#move(from: ByteString, to: ByteString, flags: number): Io<Result<null>> {
    return nothing(yield* this.#namespace.rename(this.#caller, this.#namespace.root, from, this.#namespace.root, to, flags));
  }

  *#copy(from: ByteString, to: ByteString, overwrite: boolean): Io<Result<null>> {
    const source = yield* this.#resolve(from, 0);
    if (failed(source)) return source;
    const there = yield* this.#replaced(source, to, overwrite);
    if (failed(there)) return there;
    if (there && isSame(there, source)) return { errno: -Errno.EINVAL };
    return yield* this.#make(to, there !== null, () => this.#copyInto(source, from, to));
  }

  /** Has `make` make what is to be at `to`. If it fails nothing new is left; what was there (`replaces`) is deleted only when it succeeded. */
  *#make(to: ByteString, replaces: boolean, make: () => Io<Result<null>>): Io<Result<null>> {
    const aside = replaces ? yield* this.#moveAside(to) : undefined;
    if (failed(aside)) return aside;
    const made = yield* make();
    if (!failed(made)) return aside === undefined ? null : yield* this.#delete(aside, true);
    // EEXIST: someone else made it meanwhile.
    if (made.errno !== -Errno.EEXIST) yield* this.#delete(to, true);
    if (aside !== undefined) yield* this.#move(aside, to, RENAME_NOREPLACE);
    return made;
  }

  /** Gives what is at `path` another name in its directory, and returns that. */
  *#moveAside(path: ByteString): Io<Result<ByteString>> {
    const directory = path.slice(0, path.lastIndexOf('/') + 1);
    for (let number = 1; ; number++) {
      const aside = `${directory}.replaced-${number}`;
      const moved = yield* this.#move(path, aside, RENAME_NOREPLACE);
      if (!failed(moved)) return aside;
      if (moved.errno !== -Errno.EEXIST) return moved;
    }
  }

  *#copyInto(source: Path, from: ByteString, to: ByteString): Io<Result<null>> {
    const inode = source.dentry.inode!;
    const { root } = this.#namespace;
    if (inode.isSymlink) {
      const target = yield* this.#namespace.readlink(this.#caller, source);
      return nothing(typeof target === 'number' ? target : yield* this.#namespace.symlink(this.#caller, root, to, target));
    }
    if (inode.isDirectory) {
      const copied = yield* this.#copyDirectory(source, from, to);
      if (failed(copied)) return copied;
    } else if (inode.isRegular) {
      const copied = yield* this.#copyContent(from, to);
      if (failed(copied)) return copied;
    } else {
      const made = yield* this.#namespace.mknod(this.#caller, root, to, inode.mode, inode.rdev);
      if (typeof made === 'number') return { errno: made };
    }
    const copy = yield* this.#resolve(to, 0);
    if (failed(copy)) return copy;
    const change = { mode: inode.mode & 0o777, atime: inode.atime, mtime: inode.mtime };
    return nothing(yield* this.#namespace.setAttributes(this.#caller, copy, change));
  }

  *#copyDirectory(source: Path, from: ByteString, to: ByteString): Io<Result<null>> {
    const names = yield* this.#names(source);
    if (failed(names)) return names;
    const made = yield* this.#namespace.mkdir(this.#caller, this.#namespace.root, to, 0o777);
    if (made < 0) return { errno: made };
    for (const name of names) {
      const child = yield* this.#resolve(`${from}/${name}`, 0);
      if (failed(child)) return child;
      const copied = yield* this.#copyInto(child, `${from}/${name}`, `${to}/${name}`);
      if (failed(copied)) return copied;
    }
    return null;
  }

  *#copyContent(from: ByteString, to: ByteString): Io<Result<null>> {
    const source = yield* this.#open(from, O_RDONLY, 0);
    if (failed(source)) return source;
    const target = yield* this.#open(to, O_WRONLY | O_CREAT | O_EXCL, 0o666);
    let result: Result<null> = failed(target) ? target : null;
    for (let at = 0; !failed(target) && !failed(result);) {
      const piece = yield* readAll(source, at, copyPiece);
      if (failed(piece)) result = piece;
      else if (piece.length === 0) break;
      else result = nothing(yield* writeAll(target, piece, at));
      if (!failed(piece)) at += piece.length;
    }
    yield* close(source);
    if (!failed(target)) yield* this.#closeWritten(target);
    return result;
  }
}

const nothing = (result: number): Result<null> => (result < 0 ? { errno: result } : null);
const milliseconds = (time: { seconds: number; nanoseconds: number }): number => time.seconds * 1000 + time.nanoseconds / 1e6;
/** A rename that may succeed once what has the new name is gone. */
const isInTheWay = (errno: number): boolean => [-Errno.ENOTEMPTY, -Errno.EEXIST, -Errno.EISDIR, -Errno.ENOTDIR].includes(errno);
const kindOf = (inode: Inode): FileKind => (inode.isDirectory ? 'directory' : inode.isRegular ? 'file' : 'other');

/** The same name of the same directory. Not every file system gives a name the same dentry each time, so inodes are compared. */
function isSame(a: Path, b: Path): boolean {
  if (a.dentry.inode !== b.dentry.inode) return false;
  return a.dentry.inode!.isDirectory || (a.dentry.name === b.dentry.name && a.dentry.parent?.inode === b.dentry.parent?.inode);
}

/** `outer` is a directory and `inner` is it or lies in it: in its file system, or in one that is mounted below it. */
function contains(outer: Path, inner: Path): boolean {
  if (!outer.dentry.inode!.isDirectory) return false;
  for (let place: Path | undefined = inner; place; place = place.mount.at) {
    for (let dentry: Dentry | undefined = place.dentry; dentry; dentry = dentry.parent) if (dentry.inode === outer.dentry.inode) return true;
  }
  return false;
}

function* close(file: OpenFile): Io<void> {
  const rest = file.release();
  if (rest) yield* rest;
}

/** As `readFully`, never more than the file has, in a buffer of its own: it is transferred. Files of procfs don't say their size. */
function* readAll(file: OpenFile, offset: number, length: number): Io<Result<Uint8Array>> {
  const bounded = Math.max(0, Math.min(length, file.inode.size > 0 ? file.inode.size - offset : length));
  const bytes = yield* readFully(file, offset, bounded);
  if (typeof bytes === 'number') return { errno: bytes };
  return bytes.length === bounded ? bytes : bytes.slice();
}

function* writeAll(file: OpenFile, content: Uint8Array, offset: number): Io<number> {
  let done = 0;
  while (done < content.length) {
    const written = yield* retry(() => file.write(new BufferSource(content.subarray(done)), offset + done));
    if (written <= 0) return written === 0 ? -Errno.EIO : written;
    done += written;
  }
  return 0;
}
