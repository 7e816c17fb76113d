/** Ancillary data of sendmsg(2) and recvmsg(2) (cmsg(3)): descriptors and credentials. */
import { Errno } from '../abi/errno.ts';
import { SCM_CREDENTIALS, SCM_MAX_FD, SCM_RIGHTS, SOL_SOCKET } from '../abi/socket.ts';
import type { OpenFile } from '../../fs/vfs/openFile.ts';
import type { IncomingMessage, SocketCredentials } from '../socket/socketFile.ts';
import type { Task } from '../task/task.ts';

/** net.core.optmem_max: more control data is refused. */
const maximumControl = 20480;
const credentialsSize = 12;

/** struct cmsghdr: a length of the word's size, level, type; data is aligned to the word. */
function headerSize(task: Task): number {
  return task.user.wordSize + 8;
}

function align(size: number, task: Task): number {
  return Math.ceil(size / task.user.wordSize) * task.user.wordSize;
}

/** Control data of a message to send. Descriptors come with references. -EINVAL, -EBADF, -EPERM, -ETOOMANYREFS, -ENOBUFS, -EFAULT. */
export function readControl(
  task: Task, address: number, length: number, own: SocketCredentials,
): { rights: OpenFile[]; credentials: SocketCredentials } | number {
  const result = { rights: [] as OpenFile[], credentials: own };
  if (length === 0 || address === 0) return result;
  if (length > maximumControl) return -Errno.ENOBUFS;
  const view = task.user.struct(address, length);
  if (!view) return -Errno.EFAULT;
  const header = headerSize(task);
  for (let at = 0; at + header <= length;) {
    const size = view.getUint32(at, true);
    if (size < header || at + size > length) return failed(result.rights, -Errno.EINVAL);
    if (view.getInt32(at + task.user.wordSize, true) === SOL_SOCKET) {
      const error = readOne(task, view, at + header, size - header, view.getInt32(at + task.user.wordSize + 4, true), result);
      if (error < 0) return failed(result.rights, error);
    }
    at += align(size, task);
  }
  return result;
}

function failed(rights: readonly OpenFile[], error: number): number {
  for (const file of rights) file.release();
  return error;
}

function readOne(
  task: Task, view: DataView, at: number, size: number, type: number, result: { rights: OpenFile[]; credentials: SocketCredentials },
): number {
  if (type === SCM_RIGHTS) {
    const count = Math.floor(size / 4);
    if (result.rights.length + count > SCM_MAX_FD) return -Errno.EINVAL;
    for (let i = 0; i < count; i++) {
      const file = task.files.get(view.getInt32(at + 4 * i, true));
      if (!file) return -Errno.EBADF;
      result.rights.push(file.retain());
    }
    return 0;
  }
  if (type !== SCM_CREDENTIALS || size < credentialsSize) return -Errno.EINVAL;
  const [pid, uid, gid] = [view.getInt32(at, true), view.getUint32(at + 4, true), view.getUint32(at + 8, true)];
  if (!task.mayAdministrate && (pid !== task.pid || uid !== result.credentials.uid || gid !== result.credentials.gid)) return -Errno.EPERM;
  result.credentials = { pid, uid, gid };
  return 0;
}

/** Stores the control data of a received message: how much there is, and whether some had to be left out (MSG_CTRUNC). */
export function writeControl(
  task: Task, address: number, room: number, message: IncomingMessage, withCredentials: boolean, closeOnExec: boolean,
): { length: number; truncated: boolean } {
  const header = headerSize(task);
  const bytes = new Uint8Array(Math.min(room, maximumControl));
  const view = new DataView(bytes.buffer);
  let used = 0;
  let truncated = false;
  const begin = (type: number, size: number): number => {
    view.setUint32(used, header + size, true);
    view.setInt32(used + task.user.wordSize, SOL_SOCKET, true);
    view.setInt32(used + task.user.wordSize + 4, type, true);
    return used + header;
  };
  if (withCredentials) {
    const { pid, uid, gid } = message.credentials ?? { pid: 0, uid: 65534, gid: 65534 };
    if (bytes.length - used >= header + credentialsSize) {
      const at = begin(SCM_CREDENTIALS, credentialsSize);
      [pid, uid, gid].forEach((value, i) => view.setInt32(at + 4 * i, value, true));
      used = Math.min(bytes.length, used + align(header + credentialsSize, task));
    } else {
      truncated = true;
    }
  }
  if (message.rights.length > 0) {
    const fit = Math.max(0, Math.min(message.rights.length, Math.floor((bytes.length - used - header) / 4)));
    const numbers = installRights(task, message.rights, fit, closeOnExec);
    if (numbers.length < message.rights.length) truncated = true;
    if (numbers.length > 0) {
      const at = begin(SCM_RIGHTS, 4 * numbers.length);
      numbers.forEach((fd, i) => view.setInt32(at + 4 * i, fd, true));
      used = Math.min(bytes.length, used + align(header + 4 * numbers.length, task));
    }
  }
  if (used > 0) task.user.writeBytes(address, bytes.subarray(0, used));
  return { length: used, truncated };
}

/** Gives the first `fit` files descriptors while the limit allows it; the others are closed. */
function installRights(task: Task, rights: readonly OpenFile[], fit: number, closeOnExec: boolean): number[] {
  const numbers: number[] = [];
  rights.forEach((file, i) => {
    const fd = i < fit && numbers.length === i ? task.files.add(file, closeOnExec, task.descriptorLimit) : -1;
    if (fd >= 0) numbers.push(fd);
    else file.release();
  });
  return numbers;
}
