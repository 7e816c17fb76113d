import { describe, expect, it } from 'vitest';
import { commandOfKey } from './keys.ts';

const none = { ctrlKey: false, shiftKey: false, altKey: false, metaKey: false };
const linux = 'Mozilla/5.0 (X11; Linux x86_64)';
const windows = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)';
const mac = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)';

describe('commandOfKey', () => {
  it('leaves Ctrl-C, Ctrl-V and Ctrl-F to programs on Linux', () => {
    for (const key of ['c', 'v', 'f', 'w', 'r']) expect(commandOfKey({ ...none, ctrlKey: true, key }, linux, true)).toBeUndefined();
  });

  it('takes Ctrl+Shift on Linux and Windows', () => {
    for (const system of [linux, windows]) {
      expect(commandOfKey({ ...none, ctrlKey: true, shiftKey: true, key: 'C' }, system, true)).toBe('copy');
      expect(commandOfKey({ ...none, ctrlKey: true, shiftKey: true, key: 'V' }, system, false)).toBe('paste');
      expect(commandOfKey({ ...none, ctrlKey: true, shiftKey: true, key: 'F' }, system, false)).toBe('find');
    }
  });

  it('copies with Ctrl-C on Windows only where something is selected', () => {
    expect(commandOfKey({ ...none, ctrlKey: true, key: 'c' }, windows, true)).toBe('copy');
    expect(commandOfKey({ ...none, ctrlKey: true, key: 'c' }, windows, false)).toBeUndefined();
  });

  it('takes Cmd on macOS and leaves Ctrl', () => {
    expect(commandOfKey({ ...none, metaKey: true, key: 'v' }, mac, false)).toBe('paste');
    expect(commandOfKey({ ...none, ctrlKey: true, key: 'c' }, mac, true)).toBeUndefined();
  });

  it('leaves AltGr combinations alone', () => {
    expect(commandOfKey({ ...none, ctrlKey: true, altKey: true, shiftKey: true, key: 'V' }, windows, false)).toBeUndefined();
  });
});
