/** /proc/sys: the settings that programs read (sysctl(8), proc_sys(5)). Only the host name can be written. */
import { Errno } from '../../kernel/abi/errno.ts';
import type { ByteString } from '../../lib/byteString.ts';
import { FixedChildren, PseudoDirectory, PseudoFile, type PseudoOwner, type Render } from '../pseudo.ts';
import type { FileSystem } from '../vfs/fileSystem.ts';
import type { Inode } from '../vfs/inode.ts';
import type { SystemView } from './source.ts';

/** A leaf is how to read it, and how to write it if it can be written. */
type Leaf = readonly [Render, ((text: ByteString) => number)?];
interface Tree {
  readonly [name: string]: Leaf | Tree;
}

const constant = (text: string | number): Leaf => [() => `${text}\n`];

function settings(system: SystemView): Tree {
  const setHostName = (text: ByteString): number => {
    const name = text.replace(/\n$/, '');
    if (name.length > 64) return -Errno.EINVAL;
    system.hostName = name;
    return 0;
  };
  return {
    kernel: {
      hostname: [() => `${system.hostName}\n`, setHostName],
      domainname: constant('(none)'),
      osrelease: [() => `${system.release}\n`],
      ostype: constant('Linux'),
      version: [() => `${system.version}\n`],
      pid_max: constant(4194304),
      'threads-max': constant(15000),
      ngroups_max: constant(65536),
      cap_last_cap: constant(40),
      randomize_va_space: constant(2),
      core_pattern: constant('core'),
      core_uses_pid: constant(0),
      printk: constant('4\t4\t1\t7'),
      tainted: constant(0),
      overflowuid: constant(65534),
      overflowgid: constant(65534),
      perf_event_paranoid: constant(3),
      kptr_restrict: constant(0),
      dmesg_restrict: constant(0),
      sem: constant('32000\t1024000000\t500\t32000'),
      shmmax: constant('18446744073692774399'),
      shmall: constant('18446744073692774399'),
      shmmni: constant(4096),
      msgmax: constant(8192),
      random: {
        boot_id: [() => `${system.bootId}\n`],
        uuid: [() => `${system.randomUuid()}\n`],
        entropy_avail: constant(256),
        poolsize: constant(256),
      },
      seccomp: { actions_avail: constant('') },
    },
    vm: {
      overcommit_memory: constant(1), overcommit_ratio: constant(50), max_map_count: constant(65530), swappiness: constant(60),
      mmap_min_addr: constant(65536), nr_hugepages: constant(0), drop_caches: constant(0),
    },
    fs: {
      'file-max': constant(9223372036854775807n.toString()), 'file-nr': [() => `${system.openFiles}\t0\t9223372036854775807\n`], 'nr_open': constant(1048576),
      'pipe-max-size': constant(1048576), 'pipe-user-pages-soft': constant(16384),
      protected_hardlinks: constant(1), protected_symlinks: constant(1),
      inotify: { max_user_watches: constant(65536), max_user_instances: constant(128), max_queued_events: constant(16384) },
      epoll: { max_user_watches: constant(200000) },
    },
    net: { core: { somaxconn: constant(4096) } },
  };
}

/** The directory /proc/sys, with inode numbers from `ino` on. */
export function sysctlTree(fileSystem: FileSystem, system: SystemView, ino: number, owner: PseudoOwner): Inode {
  let next = ino;
  const build = (tree: Tree): Inode => {
    const own = next++;
    const children: [ByteString, Inode][] = Object.entries(tree).map(([name, node]) => {
      if (!Array.isArray(node)) return [name, build(node as Tree)];
      const [render, accept] = node as Leaf;
      return [name, new PseudoFile(fileSystem, next++, accept ? 0o644 : 0o444, owner, render, accept && (text => accept(text)))];
    });
    return new PseudoDirectory(fileSystem, own, owner, new FixedChildren(children));
  };
  return build(settings(system));
}
