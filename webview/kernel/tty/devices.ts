/** The terminals' device numbers: /dev/tty, /dev/console, /dev/ptmx and the slaves of ptys. */
import { Errno } from '../abi/errno.ts';
import type { CharacterDevices } from '../files/devices.ts';
import { O_NOCTTY } from '../abi/fcntl.ts';
import type { JobControl } from './jobControl.ts';
import type { Ptys } from './pty.ts';
import type { Terminal } from './terminal.ts';

/** Registers majors 4 and 5 and 136-143. `console` is the machine's first terminal, if it has one. */
export function registerTerminalDevices(devices: CharacterDevices, ptys: Ptys, jobControl: JobControl, console: () => Terminal | undefined): void {
  devices.register(5, 0, (path, inode, flags) => {
    const terminal = jobControl.currentProcess?.terminal;
    return terminal ? ptys.openTerminal(path, inode, flags | O_NOCTTY, terminal) : -Errno.ENXIO;
  });
  devices.register(5, 1, (path, inode, flags) => {
    const terminal = console();
    return terminal ? ptys.openTerminal(path, inode, flags | O_NOCTTY, terminal) : -Errno.ENXIO;
  });
  devices.register(5, 2, (path, inode, flags, caller) => ptys.openMaster(path, inode, flags, caller));
  for (let major = 136; major < 144; major++) {
    devices.register(major, undefined, (path, inode, flags, _caller, minor) => ptys.openSlave(path, inode, flags, ((major - 136) << 8) | minor));
  }
}
