/** execve(2), execveat(2). */
import { Errno } from '../abi/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../abi/fcntl.ts';
import { execute } from '../exec/execute.ts';
import type { Task } from '../task/task.ts';
import { Walk } from '../../fs/vfs/namespace.ts';
import type { Path } from '../../fs/vfs/path.ts';
import type { ByteString } from '../../lib/byteString.ts';
import type { Io } from '../../lib/wait.ts';
import { baseOf, pathArgument, type Result } from './common.ts';

/** MAX_ARG_STRLEN and the most strings there can be room for. */
const longestString = 131072;
const mostStrings = 1 << 20;

/** An array of strings that ends with a null pointer: -EFAULT, -E2BIG. */
function stringArray(task: Task, address: number): ByteString[] | number {
  const strings: ByteString[] = [];
  if (address === 0) return strings;
  const { user } = task;
  for (let i = 0; i < mostStrings; i++) {
    const at = user.readWord(address + i * user.wordSize);
    if (at === undefined) return -Errno.EFAULT;
    if (at === 0) return strings;
    const text = user.readString(at, longestString);
    if (typeof text === 'number') return text === -Errno.ENAMETOOLONG ? -Errno.E2BIG : text;
    strings.push(text);
  }
  return -Errno.E2BIG;
}

export function execve(task: Task, path: number, argv: number, environment: number): Result {
  return execveat(task, AT_FDCWD, path, argv, environment, 0);
}

export function execveat(task: Task, directory: number, pathAddress: number, argv: number, environment: number, flags: number): Result {
  if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) return -Errno.EINVAL;
  const path = pathArgument(task, pathAddress);
  if (typeof path === 'number') return path;
  const base = baseOf(task, directory, path);
  if (typeof base === 'number') return base;
  const args = stringArray(task, argv);
  if (typeof args === 'number') return args;
  const env = stringArray(task, environment);
  if (typeof env === 'number') return env;
  const name = directory === AT_FDCWD || path.startsWith('/') ? path : path === '' ? `/dev/fd/${directory}` : `/dev/fd/${directory}/${path}`;
  return run(task, base, path, name, args, env, flags);
}

function* run(task: Task, base: Path, path: ByteString, name: ByteString, argv: ByteString[], environment: ByteString[], flags: number): Io<number> {
  const walk = (flags & AT_SYMLINK_NOFOLLOW ? 0 : Walk.follow) | (flags & AT_EMPTY_PATH ? Walk.empty : 0);
  const place = yield* task.machine.namespace.resolve(task, base, path, walk);
  if (typeof place === 'number') return place;
  if (place.dentry.inode!.isSymlink) return -Errno.ELOOP;
  return yield* execute(task, place, name, argv, environment);
}
