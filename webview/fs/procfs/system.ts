/** The text of the machine-wide files in /proc (proc(5)). */
import type { ByteString } from '../../lib/byteString.ts';
import { kilobytes, seconds2, ticks } from './format.ts';
import type { SystemView } from './source.ts';

/** /proc/meminfo. Our page cache is Cached; there are no buffers, slabs or swap. */
export function memInfo(system: SystemView): ByteString {
  const m = system.memory;
  const rows: [string, number][] = [
    ['MemTotal', m.total], ['MemFree', m.free], ['MemAvailable', m.free + Math.max(0, m.cached - m.dirty - m.shared)], ['Buffers', 0],
    ['Cached', m.cached], ['SwapCached', 0], ['Active', m.anonymous], ['Inactive', m.cached], ['Active(anon)', m.anonymous],
    ['Inactive(anon)', 0], ['Active(file)', 0], ['Inactive(file)', m.cached], ['Unevictable', 0], ['Mlocked', 0],
    ['SwapTotal', 0], ['SwapFree', 0], ['Dirty', m.dirty], ['Writeback', 0], ['AnonPages', m.anonymous], ['Mapped', m.mapped],
    ['Shmem', m.shared], ['KReclaimable', 0], ['Slab', 0], ['SReclaimable', 0], ['SUnreclaim', 0], ['KernelStack', 0],
    ['PageTables', m.pageTables], ['CommitLimit', m.total], ['Committed_AS', m.anonymous], ['VmallocTotal', 0], ['VmallocUsed', 0],
  ];
  return rows.map(([name, bytes]) => `${`${name}:`.padEnd(16)}${kilobytes(bytes)}\n`).join('');
}

/** /proc/stat: one processor. */
export function stat(system: SystemView): ByteString {
  const cpu = `${ticks(system.userTime)} 0 ${ticks(system.systemTime)} ${ticks(system.idleTime)} 0 0 0 0 0 0`;
  return `cpu  ${cpu}\ncpu0 ${cpu}\nintr 0\nctxt ${system.contextSwitches}\nbtime ${system.bootTime}\n` +
    `processes ${system.processesCreated}\nprocs_running ${Math.max(1, system.runnable)}\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n`;
}

/** /proc/uptime. */
export function uptime(system: SystemView): ByteString {
  return `${seconds2(system.uptime)} ${seconds2(system.idleTime)}\n`;
}

/** /proc/loadavg. */
export function loadAverage(system: SystemView): ByteString {
  return `${system.loadAverages.map(l => l.toFixed(2)).join(' ')} ${system.runnable}/${system.taskCount} ${system.lastPid}\n`;
}

/** /proc/version. */
export function version(system: SystemView): ByteString {
  return `Linux version ${system.release} (terrarium@terrarium) ${system.version}\n`;
}

/** /proc/cpuinfo. */
export function cpuInfo(system: SystemView): ByteString {
  const rows: [string, string][] = [
    ['processor', '0'], ['vendor_id', 'AuthenticAMD'], ['cpu family', '23'], ['model', '1'], ['model name', system.cpuModel],
    ['stepping', '1'], ['cpu MHz', '1000.000'], ['cache size', '512 KB'], ['physical id', '0'], ['siblings', '1'], ['core id', '0'],
    ['cpu cores', '1'], ['apicid', '0'], ['initial apicid', '0'], ['fpu', 'yes'], ['fpu_exception', 'yes'], ['cpuid level', '13'],
    ['wp', 'yes'], ['flags', system.cpuFlags], ['bugs', ''], ['bogomips', '2000.00'], ['clflush size', '64'], ['cache_alignment', '64'],
    ['address sizes', '40 bits physical, 48 bits virtual'],
  ];
  return `${rows.map(([name, value]) => `${name}${name.length < 8 ? '\t\t' : '\t'}: ${value}`).join('\n')}\n\n`;
}

/** /proc/filesystems. */
export const fileSystems: ByteString = ['nodev\tsysfs', 'nodev\ttmpfs', 'nodev\tproc', 'nodev\tdevtmpfs', 'nodev\tdevpts', '\text2', ''].join('\n');

/** /proc/vmstat: the counters that vmstat(8) and procps read. */
export function vmStat(system: SystemView): ByteString {
  const pages = (bytes: number): number => Math.floor(bytes / 4096);
  const m = system.memory;
  return [
    `nr_free_pages ${pages(m.free)}`, `nr_dirty ${pages(m.dirty)}`, `nr_mapped ${pages(m.mapped)}`, `nr_file_pages ${pages(m.cached)}`,
    `nr_anon_pages ${pages(m.anonymous)}`, `pgpgin 0`, `pgpgout 0`, `pswpin 0`, `pswpout 0`,
    `pgfault ${system.minorFaults + system.majorFaults}`, `pgmajfault ${system.majorFaults}`, '',
  ].join('\n');
}

/** /proc/devices. */
export const devices: ByteString = 'Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n254 disk\n';
