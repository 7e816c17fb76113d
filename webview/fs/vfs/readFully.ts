import { BufferSink } from '../../lib/transfer.ts';
import { retry, type Io } from '../../lib/wait.ts';
import type { OpenFile } from './openFile.ts';

/** Up to `length` bytes of a file at `offset`, waiting for the disk: fewer at its end; -errno. */
export function* readFully(file: OpenFile, offset: number, length: number): Io<Uint8Array | number> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const got = yield* retry(() => file.read(new BufferSink(bytes.subarray(done)), offset + done));
    if (got < 0) return got;
    if (got === 0) break;
    done += got;
  }
  return bytes.subarray(0, done);
}
