/** sysfs's essentials (sysfs(5)): what glibc, python, lscpu and apt look at. A fixed tree: one processor, no devices. */
import type { ByteString } from '../lib/byteString.ts';
import type { Io } from '../lib/wait.ts';
import { FixedChildren, PseudoDirectory, PseudoFile, type PseudoOwner } from './pseudo.ts';
import type { FileSystem, FileSystemStatistics } from './vfs/fileSystem.ts';
import type { Inode } from './vfs/inode.ts';

const SYSFS_MAGIC = 0x62656572;

/** A leaf is its text, a node is a directory. */
interface Tree {
  readonly [name: string]: string | Tree;
}

const cpu0: Tree = {
  online: '1\n',
  topology: { core_id: '0\n', physical_package_id: '0\n', thread_siblings: '1\n', thread_siblings_list: '0\n', core_siblings_list: '0\n' },
};

const tree: Tree = {
  block: {},
  bus: {},
  class: { net: {}, tty: {}, block: {} },
  dev: { block: {}, char: {} },
  devices: {
    system: {
      cpu: { online: '0\n', possible: '0\n', present: '0\n', offline: '\n', isolated: '\n', kernel_max: '0\n', cpu0 },
      node: { online: '0\n', possible: '0\n', node0: { cpulist: '0\n', cpumap: '1\n' } },
    },
  },
  firmware: {},
  fs: { ext4: {} },
  kernel: { mm: { transparent_hugepage: { enabled: 'always madvise [never]\n', hpage_pmd_size: '2097152\n' }, hugepages: {} } },
  module: {},
};

export class Sysfs implements FileSystem {
  readonly type = 'sysfs';
  readonly device: number;
  readonly readOnly = false;
  readonly options = '';
  readonly cachesNames = true;
  readonly root: Inode;

  /** `bootTime` in seconds since the epoch is the time of all inodes. */
  constructor(device: number, bootTime: number) {
    this.device = device;
    const owner: PseudoOwner = { uid: 0, gid: 0, time: { seconds: bootTime, nanoseconds: 0 } };
    let ino = 1;
    const build = (node: Tree): Inode => {
      const own = ino++;
      const children = Object.entries(node).map(([name, child]): [ByteString, Inode] =>
        [name, typeof child === 'string' ? new PseudoFile(this, ino++, 0o444, owner, () => child) : build(child)]);
      return new PseudoDirectory(this, own, owner, new FixedChildren(children));
    };
    this.root = build(tree);
  }

  statistics(): FileSystemStatistics {
    return { type: SYSFS_MAGIC, blockSize: 4096, blocks: 0, blocksFree: 0, blocksAvailable: 0, files: 0, filesFree: 0, nameLength: 255 };
  }

  *sync(): Io<number> {
    return 0;
  }
}
