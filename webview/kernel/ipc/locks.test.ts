import { describe, expect, it } from 'vitest';
import { Driven, anonymousPath } from '../../../test/harness/anonymousPaths.ts';
import { Wake } from '../../lib/wait.ts';
import { Errno } from '../abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK, LOCK_EX, LOCK_SH, LOCK_UN } from '../abi/fcntl.ts';
import { EventFile } from './eventfd.ts';
import { FileLocks, type RecordLock } from './locks.ts';

const a = { name: 'a' };
const b = { name: 'b' };
const inode = () => anonymousPath().dentry.inode!;
const lock = (owner: object, type: number, start: number, end: number): RecordLock => ({ owner, pid: owner === a ? 1 : 2, type, start, end });

describe('record locks', () => {
  it('cuts, merges and reports ranges', () => {
    const locks = new FileLocks();
    const file = inode();
    expect(locks.setRecord(file, lock(a, F_WRLCK, 0, 100))).toBe(0);
    expect(locks.setRecord(file, lock(a, F_UNLCK, 40, 60))).toBe(0);
    expect(locks.setRecord(file, lock(b, F_WRLCK, 40, 60))).toBe(0);
    expect(locks.setRecord(file, lock(b, F_RDLCK, 39, 41))).toBe(-Errno.EAGAIN);
    expect(locks.conflict(file, lock(b, F_WRLCK, 50, 70))).toMatchObject({ pid: 1, start: 60, end: 100 });
    expect(locks.setRecord(file, lock(a, F_RDLCK, 60, 100))).toBe(0);
    expect(locks.setRecord(file, lock(b, F_RDLCK, 80, Infinity))).toBe(0);
    locks.releaseOwner(file, b);
    expect(locks.setRecord(file, lock(a, F_WRLCK, 40, 60))).toBe(0);
    expect(locks.setRecord(file, lock(a, F_WRLCK, 0, Infinity))).toBe(0);
    expect(locks.conflict(file, lock(b, F_RDLCK, 5000, 5001))).toMatchObject({ start: 0, end: Infinity });
  });

  it('sleeps for a lock, and refuses to sleep for itself', () => {
    const locks = new FileLocks();
    const first = inode();
    const second = inode();
    locks.setRecord(first, lock(a, F_WRLCK, 0, 1));
    locks.setRecord(second, lock(b, F_WRLCK, 0, 1));
    const sleeper = new Driven(locks.waitForRecord(first, lock(b, F_WRLCK, 0, 1)));
    expect(sleeper.wait).toBeDefined();
    expect(new Driven(locks.waitForRecord(second, lock(a, F_WRLCK, 0, 1))).result).toBe(-Errno.EDEADLK);
    locks.releaseOwner(first, a);
    expect(sleeper.isWoken).toBe(true);
    expect(sleeper.resume().result).toBe(0);
    const other = new Driven(locks.waitForRecord(second, lock(a, F_WRLCK, 0, 1)));
    expect(other.resume(Wake.interrupted).result).toBe(-Errno.EINTR);
  });
});

describe('flock', () => {
  it('shares, excludes, converts, and goes with the open file', () => {
    const locks = new FileLocks();
    const path = anonymousPath();
    const [one, two] = [new EventFile(path, 0, 0), new EventFile(path, 0, 0)];
    expect(locks.setWhole(one, LOCK_SH)).toBe(0);
    expect(locks.setWhole(two, LOCK_SH)).toBe(0);
    expect(locks.setWhole(two, LOCK_EX)).toBe(-Errno.EAGAIN);
    expect(locks.setWhole(one, LOCK_EX)).toBe(0);
    const sleeper = new Driven(locks.waitForWhole(two, LOCK_EX));
    one.release();
    expect(sleeper.isWoken).toBe(true);
    expect(sleeper.resume().result).toBe(0);
    expect(locks.setWhole(two, LOCK_UN)).toBe(0);
  });
});
