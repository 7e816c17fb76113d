/**
 * Processes, threads, their signals and their turns on the processor. Objects here own the behaviour of processes; system calls unpack
 * arguments and call them. This file: credentials(7) and capabilities(7) of one task. An object is never changed, only replaced.
 */
import { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_LAST_CAP } from '../abi/prctl.ts';
import type { Credentials } from '../../fs/vfs/caller.ts';

/** A set of capabilities: bit n is capability n. */
export type Capabilities = number;
export const allCapabilities: Capabilities = 2 ** (CAP_LAST_CAP + 1) - 1;

export function hasBit(set: Capabilities, capability: number): boolean {
  return Math.floor(set / 2 ** capability) % 2 === 1;
}

/** Capability sets as two halves each are combined bit by bit. */
export function intersect(a: Capabilities, b: Capabilities): Capabilities {
  return ((Math.floor(a / 2 ** 32) & Math.floor(b / 2 ** 32)) >>> 0) * 2 ** 32 + ((a & b) >>> 0);
}

export function unite(a: Capabilities, b: Capabilities): Capabilities {
  return ((Math.floor(a / 2 ** 32) | Math.floor(b / 2 ** 32)) >>> 0) * 2 ** 32 + ((a | b) >>> 0);
}

export function without(a: Capabilities, b: Capabilities): Capabilities {
  return a - intersect(a, b);
}

/** All that credentials consist of. `uid` and `gid` are those for file access (fsuid, fsgid). */
export interface Identity {
  readonly realUid: number;
  readonly effectiveUid: number;
  readonly savedUid: number;
  readonly uid: number;
  readonly realGid: number;
  readonly effectiveGid: number;
  readonly savedGid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly effective: Capabilities;
  readonly permitted: Capabilities;
  readonly inheritable: Capabilities;
  readonly bounding: Capabilities;
  readonly ambient: Capabilities;
  /** PR_SET_SECUREBITS, with SECBIT_KEEP_CAPS. */
  readonly secureBits: number;
}

export class TaskCredentials implements Credentials, Identity {
  readonly realUid: number;
  readonly effectiveUid: number;
  readonly savedUid: number;
  readonly uid: number;
  readonly realGid: number;
  readonly effectiveGid: number;
  readonly savedGid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly effective: Capabilities;
  readonly permitted: Capabilities;
  readonly inheritable: Capabilities;
  readonly bounding: Capabilities;
  readonly ambient: Capabilities;
  readonly secureBits: number;
  readonly overridesAccess: boolean;
  readonly overridesOwnership: boolean;

  constructor(identity: Identity) {
    this.realUid = identity.realUid;
    this.effectiveUid = identity.effectiveUid;
    this.savedUid = identity.savedUid;
    this.uid = identity.uid;
    this.realGid = identity.realGid;
    this.effectiveGid = identity.effectiveGid;
    this.savedGid = identity.savedGid;
    this.gid = identity.gid;
    this.groups = identity.groups;
    this.effective = identity.effective;
    this.permitted = identity.permitted;
    this.inheritable = identity.inheritable;
    this.bounding = identity.bounding;
    this.ambient = identity.ambient;
    this.secureBits = identity.secureBits;
    this.overridesAccess = hasBit(this.effective, CAP_DAC_OVERRIDE);
    this.overridesOwnership = hasBit(this.effective, CAP_FOWNER) && hasBit(this.effective, CAP_CHOWN);
  }

  /** A login of `uid`: all capabilities for root, none for others. */
  static login(uid: number, gid: number, groups: readonly number[]): TaskCredentials {
    const capabilities = uid === 0 ? allCapabilities : 0;
    return new TaskCredentials({
      realUid: uid, effectiveUid: uid, savedUid: uid, uid, realGid: gid, effectiveGid: gid, savedGid: gid, gid, groups,
      effective: capabilities, permitted: capabilities, inheritable: 0, bounding: allCapabilities, ambient: 0, secureBits: 0,
    });
  }

  with(change: Partial<Identity>): TaskCredentials {
    return new TaskCredentials({ ...this, ...change });
  }

  has(capability: number): boolean {
    return hasBit(this.effective, capability);
  }

  isInGroup(gid: number): boolean {
    return gid === this.gid || this.groups.includes(gid);
  }
}
