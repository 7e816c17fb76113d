/** The kernel interface's structs for both word sizes (uapi headers). Field names are the headers' own. */
import { Struct } from './struct.ts';

/** struct timespec, struct timeval (old forms, the word's size) */
export const Timespec = new Struct({ tv_sec: 'long', tv_nsec: 'long' });
export const Timeval = new Struct({ tv_sec: 'long', tv_usec: 'long' });
export const Itimerspec = new Struct({ interval_sec: 'long', interval_nsec: 'long', value_sec: 'long', value_nsec: 'long' });
export const Itimerval = new Struct({ interval_sec: 'long', interval_usec: 'long', value_sec: 'long', value_usec: 'long' });
export const Tms = new Struct({ tms_utime: 'long', tms_stime: 'long', tms_cutime: 'long', tms_cstime: 'long' });

export const Iovec = new Struct({ iov_base: 'ptr', iov_len: 'ulong' });

/** struct rlimit, struct rlimit64 (prlimit64(2) on both). */
export const Rlimit = new Struct({ rlim_cur: 'ulong', rlim_max: 'ulong' });
export const Rlimit64 = new Struct({ rlim_cur: 'u64', rlim_max: 'u64' });

export const Rusage = new Struct({
  utime_sec: 'long', utime_usec: 'long', stime_sec: 'long', stime_usec: 'long', maxrss: 'long', ixrss: 'long', idrss: 'long', isrss: 'long',
  minflt: 'long', majflt: 'long', nswap: 'long', inblock: 'long', oublock: 'long', msgsnd: 'long', msgrcv: 'long', nsignals: 'long',
  nvcsw: 'long', nivcsw: 'long',
});

export const Sysinfo = new Struct({
  uptime: 'long', load0: 'ulong', load1: 'ulong', load2: 'ulong', totalram: 'ulong', freeram: 'ulong', sharedram: 'ulong', bufferram: 'ulong',
  totalswap: 'ulong', freeswap: 'ulong', procs: 'u16', pad: 'u16', totalhigh: 'ulong', freehigh: 'ulong', mem_unit: 'u32',
});

/** struct sigaction of the kernel (rt_sigaction(2)): the mask is two halves. */
export const Sigaction = new Struct({ handler: 'ptr', flags: 'ulong', restorer: 'ptr', mask_low: 'u32', mask_high: 'u32' });
export const StackT = new Struct({ ss_sp: 'ptr', ss_flags: 's32', ss_size: 'ulong' });
export const Sigevent = new Struct({ value: 'ptr', signo: 's32', notify: 's32', tid: 's32' });

/** clone3(2) */
export const CloneArgs = new Struct({
  flags: 'u64', pidfd: 'u64', child_tid: 'u64', parent_tid: 'u64', exit_signal: 'u64', stack: 'u64', stack_size: 'u64', tls: 'u64',
  set_tid: 'u64', set_tid_size: 'u64', cgroup: 'u64',
});

/** struct robust_list_head (get_robust_list(2)) */
export const RobustListHead = new Struct({ next: 'ptr', futex_offset: 'long', list_op_pending: 'ptr' });

/** struct stat of x86-64, and struct stat64 of i386 is `Stat64i386`. */
export const Stat = new Struct({
  st_dev: 'u64', st_ino: 'u64', st_nlink: 'u64', st_mode: 'u32', st_uid: 'u32', st_gid: 'u32', pad0: 'u32', st_rdev: 'u64', st_size: 's64',
  st_blksize: 's64', st_blocks: 's64', st_atime: 'u64', st_atime_nsec: 'u64', st_mtime: 'u64', st_mtime_nsec: 'u64', st_ctime: 'u64',
  st_ctime_nsec: 'u64', unused0: 's64', unused1: 's64', unused2: 's64',
});
export const Stat64i386 = new Struct({
  st_dev: 'u64', pad0: 'u32', __st_ino: 'u32', st_mode: 'u32', st_nlink: 'u32', st_uid: 'u32', st_gid: 'u32', st_rdev: 'u64', pad3: 'u32',
  st_size: 's64', st_blksize: 'u32', st_blocks: 'u64', st_atime: 'u32', st_atime_nsec: 'u32', st_mtime: 'u32', st_mtime_nsec: 'u32',
  st_ctime: 'u32', st_ctime_nsec: 'u32', st_ino: 'u64',
});
export const Statx = new Struct({
  stx_mask: 'u32', stx_blksize: 'u32', stx_attributes: 'u64', stx_nlink: 'u32', stx_uid: 'u32', stx_gid: 'u32', stx_mode: 'u16', spare0: 'u16',
  stx_ino: 'u64', stx_size: 'u64', stx_blocks: 'u64', stx_attributes_mask: 'u64',
  atime_sec: 's64', atime_nsec: 'u32', pad1: 's32', btime_sec: 's64', btime_nsec: 'u32', pad2: 's32',
  ctime_sec: 's64', ctime_nsec: 'u32', pad3: 's32', mtime_sec: 's64', mtime_nsec: 'u32', pad4: 's32',
  stx_rdev_major: 'u32', stx_rdev_minor: 'u32', stx_dev_major: 'u32', stx_dev_minor: 'u32', stx_mnt_id: 'u64', stx_dio_mem_align: 'u32',
  stx_dio_offset_align: 'u32', spare3: 96,
});
export const Statfs = new Struct({
  f_type: 'long', f_bsize: 'long', f_blocks: 'ulong', f_bfree: 'ulong', f_bavail: 'ulong', f_files: 'ulong', f_ffree: 'ulong', fsid0: 's32',
  fsid1: 's32', f_namelen: 'long', f_frsize: 'long', f_flags: 'long', spare: 32,
});
