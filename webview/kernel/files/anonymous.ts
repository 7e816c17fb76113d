/** Inodes without a name: what fstat(2) of a pipe, socket, eventfd or memfd shows, and the file system that they say they are on. */
import { S_IFIFO, S_IFSOCK } from '../abi/stat.ts';
import type { Io } from '../../lib/wait.ts';
import type { FileSystem, FileSystemStatistics } from '../../fs/vfs/fileSystem.ts';
import { AttributeInode } from '../../fs/vfs/attributeInode.ts';
import type { Inode, Timespec } from '../../fs/vfs/inode.ts';
import type { Namespace } from '../../fs/vfs/namespace.ts';
import type { Path } from '../../fs/vfs/path.ts';

/** pipefs, sockfs and anon_inodefs in one: never mounted in sight. */
export class AnonymousFileSystem implements FileSystem {
  readonly type: string;
  readonly device: number;
  readonly readOnly = false;
  readonly options = '';
  readonly cachesNames = true;
  readonly #magic: number;
  readonly root: Inode;

  constructor(type: string, device: number, magic: number) {
    this.type = type;
    this.device = device;
    this.#magic = magic;
    this.root = new AttributeInode(this, 1, 0, { uid: 0, gid: 0 }, { seconds: 0, nanoseconds: 0 });
  }

  statistics(): FileSystemStatistics {
    return { type: this.#magic, blockSize: 4096, blocks: 0, blocksFree: 0, blocksAvailable: 0, files: 0, filesFree: 0, nameLength: 255 };
  }

  *sync(): Io<number> {
    return 0;
  }
}

const PIPEFS_MAGIC = 0x50495045;
const SOCKFS_MAGIC = 0x534f434b;
const ANON_INODE_FS_MAGIC = 0x09041934;

/** Whose a new file is: credentials, or what the host says. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/** Makes the paths of anonymous files. One per machine. */
export class AnonymousFiles {
  readonly #namespace: Namespace;
  readonly #now: () => Timespec;
  readonly #pipefs = new AnonymousFileSystem('pipefs', 0x0d, PIPEFS_MAGIC);
  readonly #sockfs = new AnonymousFileSystem('sockfs', 0x08, SOCKFS_MAGIC);
  readonly #anon = new AnonymousFileSystem('anon_inodefs', 0x0e, ANON_INODE_FS_MAGIC);

  /** `now` gives the wall-clock time for new inodes. */
  constructor(namespace: Namespace, now: () => Timespec) {
    this.#namespace = namespace;
    this.#now = now;
  }

  /** 'pipe:[INO]'. */
  pipe(owner: FileOwner, mode = 0o600): Path {
    return this.#make(this.#pipefs, S_IFIFO | mode, owner, 'pipe:[');
  }

  /** 'socket:[INO]'. */
  socket(owner: FileOwner): Path {
    return this.#make(this.#sockfs, S_IFSOCK | 0o777, owner, 'socket:[');
  }

  /** 'anon_inode:NAME' (Linux writes the newer kinds in brackets: pass '[eventfd]'). */
  named(owner: FileOwner, name: string): Path {
    const inode = new AttributeInode(this.#anon, this.#namespace.nextAnonymousIno(), 0o600, owner, this.#now());
    return this.#namespace.anonymous(inode, `anon_inode:${name}`);
  }

  #make(fileSystem: FileSystem, mode: number, owner: FileOwner, prefix: string): Path {
    const ino = this.#namespace.nextAnonymousIno();
    return this.#namespace.anonymous(new AttributeInode(fileSystem, ino, mode, owner, this.#now()), `${prefix}${ino}]`);
  }
}
