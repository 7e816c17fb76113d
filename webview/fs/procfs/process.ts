/** The text of the files in /proc/PID (proc(5)), from the views that the kernel gives. */
import type { ByteString } from '../../lib/byteString.ts';
import { escapeName, escapeOctal, hex16, kilobytes, ticks } from './format.ts';
import type { LimitView, MappingView, MemoryView, ProcessView, SystemView, TaskView } from './source.ts';
import type { Path } from '../vfs/path.ts';

const stateNames: Readonly<Record<string, string>> = {
  R: 'running', S: 'sleeping', D: 'disk sleep', T: 'stopped', t: 'tracing stop', Z: 'zombie', X: 'dead', I: 'idle',
};

/** /proc/PID/stat, or with `task` /proc/PID/task/TID/stat. */
export function stat(process: ProcessView, task?: TaskView): ByteString {
  const memory = process.memory;
  const low = (set: bigint): bigint => set & 0x7fffffffn;
  const fields: (number | bigint | string)[] = [
    task?.tid ?? process.pid, `(${task?.name ?? process.name})`, task?.state ?? process.state,
    process.parentPid, process.processGroup, process.session, process.terminal, process.terminalGroup, 0x400000,
    process.minorFaults, 0, process.majorFaults, 0,
    ticks(task?.userTime ?? process.userTime), ticks(task?.systemTime ?? process.systemTime),
    ticks(process.childUserTime), ticks(process.childSystemTime),
    20 + process.nice, process.nice, process.threadCount, 0, ticks(process.startTime),
    memory?.total ?? 0, Math.floor((memory?.resident ?? 0) / 4096), limitText(process.limits[5], '18446744073709551615'),
    memory?.startCode ?? 0, memory?.endCode ?? 0, memory?.startStack ?? 0, 0, 0,
    low(process.pendingSignals), low(process.blockedSignals), low(process.ignoredSignals), low(process.caughtSignals),
    0, 0, 0, process.exitSignal, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, process.exitCode,
  ];
  return `${fields.join(' ')}\n`;
}

/** /proc/PID/statm: pages. */
export function statm(memory: MemoryView | undefined): ByteString {
  if (!memory) return '0 0 0 0 0 0 0\n';
  const pages = (bytes: number): number => Math.floor(bytes / 4096);
  return `${pages(memory.total)} ${pages(memory.resident)} ${pages(memory.shared)} ${pages(memory.text)} 0 ${pages(memory.data + memory.stack)} 0\n`;
}

/** /proc/PID/status. */
export function status(process: ProcessView, task?: TaskView): ByteString {
  const state = task?.state ?? process.state;
  const lines = [
    `Name:\t${escapeName(task?.name ?? process.name)}`,
    `Umask:\t${process.umask.toString(8).padStart(4, '0')}`,
    `State:\t${state} (${stateNames[state] ?? 'unknown'})`,
    `Tgid:\t${process.pid}`, 'Ngid:\t0', `Pid:\t${task?.tid ?? process.pid}`, `PPid:\t${process.parentPid}`, 'TracerPid:\t0',
    `Uid:\t${process.uids.join('\t')}`, `Gid:\t${process.gids.join('\t')}`, 'FDSize:\t64',
    `Groups:\t${process.groups.map(g => `${g} `).join('')}`,
    `NStgid:\t${process.pid}`, `NSpid:\t${task?.tid ?? process.pid}`, `NSpgid:\t${process.processGroup}`, `NSsid:\t${process.session}`,
    ...memoryLines(process.memory),
    `Threads:\t${process.threadCount}`, `SigQ:\t0/4096`,
    `SigPnd:\t${hex16(task?.pendingSignals ?? 0n)}`, `ShdPnd:\t${hex16(process.pendingSignals)}`,
    `SigBlk:\t${hex16(task?.blockedSignals ?? process.blockedSignals)}`,
    `SigIgn:\t${hex16(process.ignoredSignals)}`, `SigCgt:\t${hex16(process.caughtSignals)}`,
    `CapInh:\t${hex16(0n)}`, `CapPrm:\t${hex16(process.effectiveCapabilities)}`, `CapEff:\t${hex16(process.effectiveCapabilities)}`,
    'CapBnd:\t000001ffffffffff', `CapAmb:\t${hex16(0n)}`, `NoNewPrivs:\t${process.noNewPrivileges ? 1 : 0}`,
    'Seccomp:\t0', 'Seccomp_filters:\t0', 'Cpus_allowed:\t1', 'Cpus_allowed_list:\t0', 'Mems_allowed:\t1', 'Mems_allowed_list:\t0',
    'voluntary_ctxt_switches:\t0', 'nonvoluntary_ctxt_switches:\t0',
  ];
  return `${lines.join('\n')}\n`;
}

function memoryLines(memory: MemoryView | undefined): string[] {
  if (!memory) return [];
  const anonymous = Math.max(0, memory.resident - memory.shared);
  return [
    `VmPeak:\t${kilobytes(memory.peakTotal)}`, `VmSize:\t${kilobytes(memory.total)}`, `VmLck:\t${kilobytes(memory.locked)}`,
    `VmPin:\t${kilobytes(0)}`, `VmHWM:\t${kilobytes(memory.peakResident)}`, `VmRSS:\t${kilobytes(memory.resident)}`,
    `RssAnon:\t${kilobytes(anonymous)}`, `RssFile:\t${kilobytes(memory.shared)}`, `RssShmem:\t${kilobytes(0)}`,
    `VmData:\t${kilobytes(memory.data)}`, `VmStk:\t${kilobytes(memory.stack)}`, `VmExe:\t${kilobytes(memory.text)}`,
    `VmLib:\t${kilobytes(0)}`, `VmPTE:\t${kilobytes(0)}`, `VmSwap:\t${kilobytes(0)}`, 'CoreDumping:\t0', 'THP_enabled:\t0',
  ];
}

function mapLine(m: MappingView): string {
  const hex = (value: number): string => value.toString(16).padStart(8, '0');
  const bits = `${m.read ? 'r' : '-'}${m.write ? 'w' : '-'}${m.exec ? 'x' : '-'}${m.shared ? 's' : 'p'}`;
  const device = `${(m.device >> 8).toString(16).padStart(2, '0')}:${(m.device & 0xff).toString(16).padStart(2, '0')}`;
  const line = `${hex(m.start)}-${hex(m.end)} ${bits} ${hex(m.offset)} ${device} ${m.ino} `;
  // The name starts in column 73 as in Linux's show_map_vma, which programs that cut columns rely on.
  return m.name === '' ? line : `${line.padEnd(73)}${escapeOctal(m.name, '\n')}`;
}

/** /proc/PID/maps. */
export function maps(memory: MemoryView | undefined): ByteString {
  let text = '';
  if (memory) for (const mapping of memory.mappings()) text += `${mapLine(mapping)}\n`;
  return text;
}

/** /proc/PID/smaps; `rollup` sums it into one entry. */
export function smaps(memory: MemoryView | undefined, rollup: boolean): ByteString {
  if (!memory) return '';
  const detail = (m: { size: number; resident: number }): string => [
    ['Size', m.size], ['KernelPageSize', 4096], ['MMUPageSize', 4096], ['Rss', m.resident], ['Pss', m.resident],
    ['Shared_Clean', 0], ['Shared_Dirty', 0], ['Private_Clean', 0], ['Private_Dirty', m.resident], ['Referenced', m.resident],
    ['Anonymous', m.resident], ['Swap', 0], ['Locked', 0],
  ].map(([name, bytes]) => `${`${name}:`.padEnd(16)}${kilobytes(bytes as number)}\n`).join('');
  if (!rollup) {
    let text = '';
    for (const m of memory.mappings()) text += `${mapLine(m)}\n${detail({ size: m.end - m.start, resident: m.resident })}VmFlags: rd\n`;
    return text;
  }
  return `00000000-7fffffffffff ---p 00000000 00:00 0                          [rollup]\n${detail({ size: memory.total, resident: memory.resident })}`;
}

const limitNames: readonly (readonly [string, string])[] = [
  ['Max cpu time', 'seconds'], ['Max file size', 'bytes'], ['Max data size', 'bytes'], ['Max stack size', 'bytes'],
  ['Max core file size', 'bytes'], ['Max resident set', 'bytes'], ['Max processes', 'processes'], ['Max open files', 'files'],
  ['Max locked memory', 'bytes'], ['Max address space', 'bytes'], ['Max file locks', 'locks'], ['Max pending signals', 'signals'],
  ['Max msgqueue size', 'bytes'], ['Max nice priority', ''], ['Max realtime priority', ''], ['Max realtime timeout', 'us'],
];

function limitText(limit: LimitView | undefined, unlimited = 'unlimited'): string {
  return !limit || limit.soft === Infinity ? unlimited : String(limit.soft);
}

/** /proc/PID/limits. */
export function limits(process: ProcessView): ByteString {
  const row = (a: string, b: string, c: string, d: string): string => `${a.padEnd(25)} ${b.padEnd(20)} ${c.padEnd(20)} ${d.padEnd(10)}\n`;
  let text = row('Limit', 'Soft Limit', 'Hard Limit', 'Units');
  limitNames.forEach(([name, unit], i) => {
    const limit = process.limits[i];
    text += row(name, limitText(limit), !limit || limit.hard === Infinity ? 'unlimited' : String(limit.hard), unit);
  });
  return text;
}

/** /proc/PID/io. */
export function io(process: ProcessView): ByteString {
  return `rchar: ${process.readBytes}\nwchar: ${process.writtenBytes}\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n`;
}

// MS_* flags in mount(2) and how mount tables name them.
const mountFlags: readonly (readonly [number, string])[] = [
  [2, 'nosuid'], [4, 'nodev'], [8, 'noexec'], [16, 'sync'], [1024, 'noatime'], [2048, 'nodiratime'], [1 << 21, 'relatime'],
];

function mountOptions(flags: number): string {
  return [(flags & 1) !== 0 ? 'ro' : 'rw', ...mountFlags.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name)].join(',');
}

/** /proc/PID/mounts, seen from the process's root. */
export function mounts(system: SystemView, root: Path): ByteString {
  let text = '';
  for (const mount of system.mounts) {
    const place = mount.at ? system.pathName(mount.at, root) : '/';
    text += `${escapeOctal(mount.source)} ${escapeOctal(place)} ${mount.fileSystem.type} ${mountOptions(mount.flags)}${mount.fileSystem.options} 0 0\n`;
  }
  return text;
}

/** /proc/PID/mountinfo. */
export function mountInfo(system: SystemView, root: Path): ByteString {
  let text = '';
  for (const mount of system.mounts) {
    const place = mount.at ? system.pathName(mount.at, root) : '/';
    const parent = mount.at?.mount.id ?? mount.id;
    const device = mount.fileSystem.device;
    const options = mountOptions(mount.flags);
    text += `${mount.id} ${parent} ${device >> 8}:${device & 0xff} / ${escapeOctal(place)} ${options} - ${mount.fileSystem.type} ` +
      `${escapeOctal(mount.source)} ${(mount.flags & 1) !== 0 ? 'ro' : 'rw'}${mount.fileSystem.options}\n`;
  }
  return text;
}
