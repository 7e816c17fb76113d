/** A host directory under Node as fs/hostfs.ts sees it. Synchronous: the headless VM has nothing better to do while the host's disk answers. */
import * as fs from 'node:fs';
import { constants as osConstants } from 'node:os';
import { Errno } from '../../kernel/abi/errno.ts';
import { S_IFDIR, S_IFMT, S_IFREG } from '../../kernel/abi/stat.ts';
import type { HostFiles, HostStatus } from '../../fs/hostfs.ts';
import type { FileSystemStatistics } from '../../fs/vfs/fileSystem.ts';
import type { AttributeChange, Timespec } from '../../fs/vfs/inode.ts';
import { fromBytes, toBytes, type ByteString } from '../../lib/byteString.ts';

/** The errno of a failed call, as Linux numbers it. */
function errnoOf(error: unknown): number {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const known = (Errno as Readonly<Record<string, number>>)[code] ?? (osConstants.errno as unknown as Record<string, number>)[code];
  return -(known ?? Errno.EIO);
}

function attempt<T>(action: () => T): T | number {
  try {
    return action();
  } catch (error) {
    return errnoOf(error);
  }
}

const timespec = (nanoseconds: bigint): Timespec => {
  const billion = 1_000_000_000n;
  const seconds = nanoseconds >= 0n ? nanoseconds / billion : -((-nanoseconds + billion - 1n) / billion);
  return { seconds: Number(seconds), nanoseconds: Number(nanoseconds - seconds * billion) };
};

export class NodeHostFiles implements HostFiles {
  readonly #root: string;
  /** The file that was read or written last stays open: programs read in pieces. */
  #open: { path: ByteString; fd: number; writable: boolean; ino: bigint } | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  #path(path: ByteString): Buffer {
    const root = Buffer.from(this.#root);
    return path === '' ? root : Buffer.concat([root, Buffer.from('/'), toBytes(path)]);
  }

  #descriptor(path: ByteString, writable: boolean): number {
    if (this.#open?.path === path && (this.#open.writable || !writable)) return this.#open.fd;
    this.#close();
    const fd = fs.openSync(this.#path(path), writable ? 'r+' : 'r');
    this.#open = { path, fd, writable, ino: fs.fstatSync(fd, { bigint: true }).ino };
    return fd;
  }

  #close(): void {
    if (this.#open) fs.closeSync(this.#open.fd);
    this.#open = undefined;
  }

  status(path: ByteString): HostStatus | number {
    return attempt(() => {
      const s = fs.lstatSync(this.#path(path), { bigint: true });
      if (this.#open?.path === path && this.#open.ino !== s.ino) this.#close(); // another file has taken the name
      return {
        ino: Number(s.ino & 0xffff_ffffn), mode: Number(s.mode), uid: Number(s.uid), gid: Number(s.gid), linkCount: Number(s.nlink),
        rdev: Number(s.rdev), size: Number(s.size), blocks: Number(s.blocks),
        atime: timespec(s.atimeNs), mtime: timespec(s.mtimeNs), ctime: timespec(s.ctimeNs),
      };
    });
  }

  list(path: ByteString): ByteString[] | number {
    return attempt(() => fs.readdirSync(this.#path(path), { encoding: 'buffer' }).map(name => fromBytes(name)));
  }

  readlink(path: ByteString): ByteString | number {
    return attempt(() => fromBytes(fs.readlinkSync(this.#path(path), { encoding: 'buffer' })));
  }

  read(path: ByteString, offset: number, into: Uint8Array): number {
    return attempt(() => fs.readSync(this.#descriptor(path, false), into, 0, into.length, offset));
  }

  write(path: ByteString, offset: number, from: Uint8Array): number {
    return attempt(() => fs.writeSync(this.#descriptor(path, true), from, 0, from.length, offset));
  }

  truncate(path: ByteString, size: number): number {
    return attempt(() => (fs.truncateSync(this.#path(path), size), 0));
  }

  create(path: ByteString, mode: number): number {
    return attempt(() => {
      const permissions = mode & 0o7777;
      const kind = mode & S_IFMT;
      if (kind === S_IFDIR) fs.mkdirSync(this.#path(path), permissions);
      else if (kind === S_IFREG) fs.closeSync(fs.openSync(this.#path(path), 'wx', permissions));
      else return -Errno.EPERM;
      fs.chmodSync(this.#path(path), permissions); // the guest's umask counts, not ours
      return 0;
    });
  }

  symlink(path: ByteString, target: ByteString): number {
    return attempt(() => (fs.symlinkSync(Buffer.from(toBytes(target)), this.#path(path)), 0));
  }

  link(path: ByteString, existing: ByteString): number {
    return attempt(() => (fs.linkSync(this.#path(existing), this.#path(path)), 0));
  }

  remove(path: ByteString, directory: boolean): number {
    this.#close();
    return attempt(() => (directory ? fs.rmdirSync(this.#path(path)) : fs.unlinkSync(this.#path(path)), 0));
  }

  rename(from: ByteString, to: ByteString): number {
    this.#close();
    return attempt(() => (fs.renameSync(this.#path(from), this.#path(to)), 0));
  }

  setAttributes(path: ByteString, change: AttributeChange): number {
    return attempt(() => {
      const place = this.#path(path);
      if (change.uid !== undefined || change.gid !== undefined) {
        const now = fs.lstatSync(place);
        const [uid, gid] = [change.uid ?? now.uid, change.gid ?? now.gid];
        if (uid !== now.uid || gid !== now.gid) fs.lchownSync(place, uid, gid);
      }
      if (change.mode !== undefined) fs.chmodSync(place, change.mode);
      if (change.atime || change.mtime) {
        const now = fs.lstatSync(place);
        const seconds = (time: Timespec | undefined, otherwise: number): number => (time ? time.seconds + time.nanoseconds / 1e9 : otherwise / 1000);
        fs.lutimesSync(place, seconds(change.atime, now.atimeMs), seconds(change.mtime, now.mtimeMs));
      }
      return 0;
    });
  }

  sync(path: ByteString): number {
    return attempt(() => (fs.fsyncSync(this.#descriptor(path, false)), 0));
  }

  statistics(): FileSystemStatistics {
    const s = fs.statfsSync(this.#root);
    return {
      type: s.type, blockSize: s.bsize, blocks: s.blocks, blocksFree: s.bfree, blocksAvailable: s.bavail, files: s.files, filesFree: s.ffree, nameLength: 255,
    };
  }
}
