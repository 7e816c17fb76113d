/** User and group ids, capabilities: credentials(7), capabilities(7). */
import { Errno } from '../abi/errno.ts';
import * as P from '../abi/prctl.ts';
import { intersect, unite, without, type Identity, type TaskCredentials } from '../task/credentials.ts';
import type { Task } from '../task/task.ts';
import type { Result } from './common.ts';

/** As an argument: leave it as it is. */
const keep = 0xffffffff;

export function getuid(task: Task): number {
  return task.credentials.realUid;
}
export function geteuid(task: Task): number {
  return task.credentials.effectiveUid;
}
export function getgid(task: Task): number {
  return task.credentials.realGid;
}
export function getegid(task: Task): number {
  return task.credentials.effectiveGid;
}

/** Changes user ids with what that does to capabilities. */
function changeUids(task: Task, change: Partial<Identity>): number {
  const old = task.credentials;
  const fresh = old.with({ ...change, uid: change.uid ?? change.effectiveUid ?? old.uid });
  task.credentials = fresh.with(afterUidChange(old, fresh));
  if (fresh.effectiveUid !== old.effectiveUid || fresh.uid !== old.uid) task.process.dumpable = 0;
  return 0;
}

/** capabilities(7), "Effect of user ID changes on capabilities". */
function afterUidChange(old: TaskCredentials, fresh: TaskCredentials): Partial<Identity> {
  const hadRoot = old.realUid === 0 || old.effectiveUid === 0 || old.savedUid === 0;
  const hasRoot = fresh.realUid === 0 || fresh.effectiveUid === 0 || fresh.savedUid === 0;
  let { permitted, effective, ambient } = old;
  const keepsCaps = (old.secureBits & (1 << 4)) !== 0;
  if (hadRoot && !hasRoot) {
    if (!keepsCaps) permitted = effective = 0;
    ambient = 0;
  }
  if (old.effectiveUid === 0 && fresh.effectiveUid !== 0) effective = 0;
  if (old.effectiveUid !== 0 && fresh.effectiveUid === 0) effective = permitted;
  return { permitted, effective, ambient };
}

export function setuid(task: Task, uid: number): Result {
  const { credentials } = task;
  if (uid === keep) return -Errno.EINVAL;
  if (credentials.has(P.CAP_SETUID)) return changeUids(task, { realUid: uid, effectiveUid: uid, savedUid: uid });
  if (uid !== credentials.realUid && uid !== credentials.savedUid) return -Errno.EPERM;
  return changeUids(task, { effectiveUid: uid });
}

export function setreuid(task: Task, real: number, effective: number): Result {
  const { credentials: c } = task;
  const privileged = c.has(P.CAP_SETUID);
  const realUid = real === keep ? c.realUid : real;
  const effectiveUid = effective === keep ? c.effectiveUid : effective;
  if (!privileged && real !== keep && real !== c.realUid && real !== c.effectiveUid) return -Errno.EPERM;
  if (!privileged && effective !== keep && effective !== c.realUid && effective !== c.effectiveUid && effective !== c.savedUid) return -Errno.EPERM;
  const savedUid = real !== keep || (effective !== keep && effectiveUid !== c.realUid) ? effectiveUid : c.savedUid;
  return changeUids(task, { realUid, effectiveUid, savedUid });
}

export function setresuid(task: Task, real: number, effective: number, saved: number): Result {
  const { credentials: c } = task;
  const own = [c.realUid, c.effectiveUid, c.savedUid, keep];
  if (!c.has(P.CAP_SETUID) && [real, effective, saved].some(uid => !own.includes(uid))) return -Errno.EPERM;
  return changeUids(task, {
    realUid: real === keep ? c.realUid : real, effectiveUid: effective === keep ? c.effectiveUid : effective, savedUid: saved === keep ? c.savedUid : saved,
  });
}

export function getresuid(task: Task, real: number, effective: number, saved: number): Result {
  const { credentials: c, user } = task;
  return user.writeU32(real, c.realUid) && user.writeU32(effective, c.effectiveUid) && user.writeU32(saved, c.savedUid) ? 0 : -Errno.EFAULT;
}

/** CAP_FS_MASK: CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID LINUX_IMMUTABLE MKNOD MAC_OVERRIDE. */
const fileCapabilities = 0b11111 + 2 ** 9 + 2 ** P.CAP_MKNOD + 2 ** 32;

/** setfsuid(2): always the old one. */
export function setfsuid(task: Task, uid: number): Result {
  const { credentials: c } = task;
  const old = c.uid;
  if (uid === keep || (!c.has(P.CAP_SETUID) && ![c.realUid, c.effectiveUid, c.savedUid, c.uid].includes(uid))) return old;
  let { effective } = c;
  if (old === 0 && uid !== 0) effective = without(effective, fileCapabilities);
  if (old !== 0 && uid === 0) effective = unite(effective, intersect(c.permitted, fileCapabilities));
  task.credentials = c.with({ uid, effective });
  return old;
}

export function setgid(task: Task, gid: number): Result {
  const { credentials: c } = task;
  if (gid === keep) return -Errno.EINVAL;
  if (c.has(P.CAP_SETGID)) task.credentials = c.with({ realGid: gid, effectiveGid: gid, savedGid: gid, gid });
  else if (gid === c.realGid || gid === c.savedGid) task.credentials = c.with({ effectiveGid: gid, gid });
  else return -Errno.EPERM;
  return 0;
}

export function setregid(task: Task, real: number, effective: number): Result {
  const { credentials: c } = task;
  const privileged = c.has(P.CAP_SETGID);
  const realGid = real === keep ? c.realGid : real;
  const effectiveGid = effective === keep ? c.effectiveGid : effective;
  if (!privileged && real !== keep && real !== c.realGid && real !== c.effectiveGid) return -Errno.EPERM;
  if (!privileged && effective !== keep && effective !== c.realGid && effective !== c.effectiveGid && effective !== c.savedGid) return -Errno.EPERM;
  const savedGid = real !== keep || (effective !== keep && effectiveGid !== c.realGid) ? effectiveGid : c.savedGid;
  task.credentials = c.with({ realGid, effectiveGid, savedGid, gid: effectiveGid });
  return 0;
}

export function setresgid(task: Task, real: number, effective: number, saved: number): Result {
  const { credentials: c } = task;
  const own = [c.realGid, c.effectiveGid, c.savedGid, keep];
  if (!c.has(P.CAP_SETGID) && [real, effective, saved].some(gid => !own.includes(gid))) return -Errno.EPERM;
  const effectiveGid = effective === keep ? c.effectiveGid : effective;
  task.credentials = c.with({ realGid: real === keep ? c.realGid : real, effectiveGid, savedGid: saved === keep ? c.savedGid : saved, gid: effectiveGid });
  return 0;
}

export function getresgid(task: Task, real: number, effective: number, saved: number): Result {
  const { credentials: c, user } = task;
  return user.writeU32(real, c.realGid) && user.writeU32(effective, c.effectiveGid) && user.writeU32(saved, c.savedGid) ? 0 : -Errno.EFAULT;
}

export function setfsgid(task: Task, gid: number): Result {
  const { credentials: c } = task;
  const old = c.gid;
  if (gid !== keep && (c.has(P.CAP_SETGID) || [c.realGid, c.effectiveGid, c.savedGid, c.gid].includes(gid))) task.credentials = c.with({ gid });
  return old;
}

/** NGROUPS_MAX */
const groupsMaximum = 65536;

export function getgroups(task: Task, count: number, address: number): Result {
  const { groups } = task.credentials;
  if (count < 0) return -Errno.EINVAL;
  if (count === 0) return groups.length;
  if (groups.length > count) return -Errno.EINVAL;
  for (const [i, gid] of groups.entries()) if (!task.user.writeU32(address + i * 4, gid)) return -Errno.EFAULT;
  return groups.length;
}

export function setgroups(task: Task, count: number, address: number): Result {
  if (!task.credentials.has(P.CAP_SETGID)) return -Errno.EPERM;
  if (count < 0 || count > groupsMaximum) return -Errno.EINVAL;
  const groups: number[] = [];
  for (let i = 0; i < count; i++) {
    const gid = task.user.readU32(address + i * 4);
    if (gid === undefined) return -Errno.EFAULT;
    groups.push(gid);
  }
  task.credentials = task.credentials.with({ groups: groups.sort((a, b) => a - b) });
  return 0;
}

// ---------------------------------------------------------------- capget, capset

/** The number of 32-bit parts by version; -EINVAL with the preferred version written for an unknown one. */
function capabilityParts(task: Task, header: number): number {
  const version = task.user.readU32(header);
  if (version === undefined) return -Errno.EFAULT;
  if (version === P.LINUX_CAPABILITY_VERSION_1) return 1;
  if (version === P.LINUX_CAPABILITY_VERSION_2 || version === P.LINUX_CAPABILITY_VERSION_3) return 2;
  return task.user.writeU32(header, P.LINUX_CAPABILITY_VERSION_3) ? -Errno.EINVAL : -Errno.EFAULT;
}

export function capget(task: Task, header: number, data: number): Result {
  const parts = capabilityParts(task, header);
  if (parts < 0) return data === 0 && parts === -Errno.EINVAL ? 0 : parts;
  const pid = task.user.readS32(header + 4);
  if (pid === undefined) return -Errno.EFAULT;
  if (pid < 0) return -Errno.EINVAL;
  const target = pid === 0 ? task : task.machine.processes.task(pid);
  if (target === undefined) return -Errno.ESRCH;
  const { effective, permitted, inheritable } = target.credentials;
  for (let part = 0; part < parts; part++) {
    for (const [i, set] of [effective, permitted, inheritable].entries()) {
      if (!task.user.writeU32(data + part * 12 + i * 4, Math.floor(set / 2 ** (32 * part)) % 2 ** 32)) return -Errno.EFAULT;
    }
  }
  return 0;
}

export function capset(task: Task, header: number, data: number): Result {
  const parts = capabilityParts(task, header);
  if (parts < 0) return parts;
  const pid = task.user.readS32(header + 4);
  if (pid === undefined) return -Errno.EFAULT;
  if (pid !== 0 && pid !== task.tid) return -Errno.EPERM;
  const sets = [0, 0, 0];
  for (let part = 0; part < parts; part++) {
    for (let i = 0; i < 3; i++) {
      const value = task.user.readU32(data + part * 12 + i * 4);
      if (value === undefined) return -Errno.EFAULT;
      sets[i]! += value * 2 ** (32 * part);
    }
  }
  const { credentials: old } = task;
  const all = 2 ** (P.CAP_LAST_CAP + 1) - 1;
  const [effective, permitted, inheritable] = sets.map(set => intersect(set, all)) as [number, number, number];
  if (without(permitted, old.permitted) !== 0 || without(effective, permitted) !== 0) return -Errno.EPERM;
  if (without(inheritable, unite(old.inheritable, old.has(P.CAP_SETPCAP) ? old.bounding : old.permitted)) !== 0) return -Errno.EPERM;
  task.credentials = old.with({ effective, permitted, inheritable, ambient: intersect(old.ambient, intersect(permitted, inheritable)) });
  return 0;
}
