/** The worker's machine on a disk that is damaged or doesn't arrive: one sentence for the person, EIO for the guest, and all else goes on. */
import { afterEach, describe, expect, test } from 'vitest';
import { ServedImage, WorkerVm } from '../harness/workerVm.ts';
import type { FileFailure, VmStatus } from '../../webview/protocol.ts';

let vm: WorkerVm;
afterEach(() => vm.stop());

const text = "The Linux VM's disk is missing or damaged. If starting again doesn't help, install the extension again.";
const diskError = (detail: RegExp): VmStatus => ({ state: 'error', message: { text, args: [] }, detail: expect.stringMatching(detail) as string });
const superblock = 1024;

/** Boots `image`; nothing may come behind an error. */
async function bootFails(image: ServedImage, prepare: (machine: WorkerVm) => void = () => {}): Promise<VmStatus> {
  vm = new WorkerVm(image);
  prepare(vm);
  vm.open();
  const status = await vm.boot();
  const { length } = vm.statuses;
  vm.type('echo too late\r');
  await new Promise(resolve => setTimeout(resolve, 50));
  expect([vm.statuses.length, vm.screen]).toEqual([length, '']);
  return status;
}

describe('a manifest that', () => {
  test.each<[string, (text: string) => string, RegExp]>([
    ['is no JSON', () => '<html>Not found</html>', /^The disk's manifest is not JSON: .*\.$/],
    ['is cut off', text => text.slice(0, text.length / 2), /^The disk's manifest is not JSON: .*\.$/],
    ['is empty', () => '', /^The disk's manifest is not JSON: .*\.$/],
    ['is of a format to come', text => text.replace('"format": 1', '"format": 2'), /^The disk's manifest has format 2; this version reads format 1\.$/],
    ['has lost a chunk', text => text.replace(/^ {4}\{"index":7,.*\n/m, ''), /^The disk's manifest is damaged: its id does not match its chunks\.$/],
    ['names a file elsewhere', text => text.replace('chunks-000.bin', '../../secret'), /^The disk's manifest is damaged: file 0 has no plain name\.$/],
  ])('%s', async (_name, damage, detail) => {
    const image = new ServedImage();
    const changed = damage(image.manifest);
    expect(changed).not.toBe(image.manifest);
    image.manifest = changed;
    expect(await bootFails(image)).toEqual(diskError(detail));
  });
});

test('an image whose chunks are missing', async () => {
  const status = await bootFails(new ServedImage(), machine => { machine.fault = request => `${request.file}: HTTP 404`; });
  expect(status).toEqual(diskError(/^The disk can't be mounted: The file system could not be read\. \(EIO\)$/));
  expect(vm.log.map(line => `${line.level}: ${line.text}`)).toContainEqual(expect.stringMatching(/^error: Disk "base": chunk 0 \(chunks-000\.bin at 0, \d+ bytes\) can't be used: chunks-000\.bin: HTTP 404\.$/));
});

test('an image whose answers are cut off', async () => {
  const image = new ServedImage();
  const status = await bootFails(image, machine => { machine.fault = r => image.read(r.file, r.offset, r.length - 1); });
  expect(status).toEqual(diskError(/could not be read/));
  expect(vm.log[0]?.text).toMatch(/\d+ bytes arrived instead of \d+\.$/);
});

test('a first chunk with another hash', async () => {
  const image = new ServedImage();
  image.spoilHash(0);
  expect(await bootFails(image)).toEqual(diskError(/could not be read/));
  expect(vm.log[0]?.text).toMatch(/chunk 0 .* can't be used: its SHA-256 is [0-9a-f]{16}\.\.\., not abababababababab\.\.\.\.$/);
});

describe('a superblock', () => {
  test.each<[string, (view: DataView) => void, RegExp]>([
    ['of zeros', view => new Uint8Array(view.buffer, view.byteOffset, 1024).fill(0), /no ext2 file system/],
    ['of ones', view => new Uint8Array(view.buffer, view.byteOffset, 1024).fill(255), /no ext2 file system/],
    ['without s_magic', view => view.setUint16(56, 0), /no ext2 file system/],
    ['with s_log_block_size 40', view => view.setUint32(24, 40, true), /block size .* isn't supported/],
    ['with an unknown s_feature_incompat', view => view.setUint32(96, 0x80000002, true), /features that aren't supported/],
    ['with s_blocks_count beyond the disk', view => view.setUint32(4, 0x7fffffff, true), /is larger/],
    ['with s_inodes_per_group 0', view => view.setUint32(40, 0, true), /superblock is damaged/],
    ['with s_blocks_per_group 0', view => view.setUint32(32, 0, true), /superblock is damaged/],
    ['with s_inode_size 3', view => view.setUint16(88, 3, true), /superblock is damaged/],
    ['with s_first_data_block beyond the disk', view => view.setUint32(20, 0x7ffffff0, true), /superblock is damaged/],
  ])('%s', async (_name, damage, detail) => {
    const image = new ServedImage();
    image.rewriteChunk(0, bytes => damage(new DataView(bytes.buffer, bytes.byteOffset + superblock, 1024)));
    expect(await bootFails(image)).toEqual(diskError(detail));
  });
});

describe('a running machine whose chunks', () => {
  /** A file that no boot reads, and which isn't beside what a boot reads. */
  const file = '/var/lib/dpkg/info/zlib1g:amd64.md5sums';

  /** At its prompt, with cat in the page cache, and what a file in the home directory is written with (bitmaps, inodes). */
  async function running(image = new ServedImage()): Promise<void> {
    vm = new WorkerVm(image);
    expect(await vm.boot()).toEqual({ state: 'running' });
    vm.open();
    await vm.expect(/\$ $/);
    vm.type("PS1='$ '; echo first > f; cat /etc/debian_version; ls -d /; sleep 0\r");
    await vm.expect(/12\.\d+\r\n\/\r\n\$ $/);
  }

  test('are missing: EIO, a line that names the chunk, and again as soon as they are there', async () => {
    await running();
    vm.fault = request => `${request.file}: HTTP 404`;
    vm.type(`cat ${file}\r`);
    await vm.expect(/cat: \S+: Input\/output error\r\n\$ $/);
    expect(vm.log.at(-1)).toEqual({ level: 'error', text: expect.stringMatching(/^Disk "base": chunk \d+ .* can't be used: chunks-\d+\.bin: HTTP 404\.$/) });
    const { failure } = await vm.ask({ op: 'readFile', path: file, offset: 0, length: 100 }) as { failure: FileFailure };
    expect(failure).toEqual({ kind: 'Other', errno: 'EIO', path: file });
    vm.type('/usr/bin/gpgv --version; echo status $?\r');
    await vm.expect(/status 1\d\d\r\n\$ $/);
    vm.open(['perl', '-v'], 2);
    await vm.expect(/<(failed|exit) .*>/);
    vm.type('echo al""ive > f; cat f\r');
    await vm.expect(/alive\r\n\$ $/);
    vm.fault = () => undefined;
    await new Promise(resolve => setTimeout(resolve, 2100));
    vm.type(`cat ${file} | tail -1\r`);
    await vm.expect(/[0-9a-f]{32} .*\r\n\$ $/);
    expect(vm.statuses.filter(status => status.state !== 'starting')).toEqual([{ state: 'running' }]);
  });

  test('are damaged: EIO, and a line that says how', async () => {
    const image = new ServedImage();
    await running(image);
    vm.fault = r => image.read(r.file, r.offset, r.length).map(byte => byte ^ 0x55);
    vm.type(`cat ${file}\r`);
    await vm.expect(/cat: \S+: Input\/output error\r\n\$ $/);
    expect(vm.log.at(-1)?.text).toMatch(/it can't be unpacked|its SHA-256 is/);
    vm.type('find /usr; echo status $?\r');
    await vm.expect(/find: Input\/output error\r\nstatus 126\r\n\$ $/);
    vm.type('echo al""ive > f; cat f\r');
    await vm.expect(/alive\r\n\$ $/);
  });
});
