/** First script of the page: starts the VM, while what shows it is still on its way. Small, and imports nothing that draws. */
import { vmOptionsName, type VmOptions } from '../protocol.ts';
import { VmWorker } from './vmWorker.ts';

declare global {
  /** The VM of this page, for main.ts, which is another script. */
  var linuxVm: VmWorker;
}

globalThis.linuxVm = new VmWorker(JSON.parse(document.querySelector<HTMLMetaElement>(`meta[name="${vmOptionsName}"]`)!.content) as VmOptions);
void globalThis.linuxVm.start();
