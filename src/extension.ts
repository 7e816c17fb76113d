/**
 * The extension host's part: VS Code's side of everything and nothing of the VM itself, which lives in the panel's webview. The only
 * folder that imports `vscode`; one code base for the Node host and the web worker host, so neither Node's nor the DOM's interfaces here.
 */
import * as vscode from 'vscode';
import { registerCommands } from './commands.ts';
import { openAtStartup } from './config.ts';
import { DiskTree } from './diskTree.ts';
import { registerDiskCommands } from './diskCommands.ts';
import { VmFileSystem } from './fileSystem.ts';
import { Machine } from './machine.ts';
import { markWhileOff } from './offMark.ts';
import { viewType, VmPanels } from './panel.ts';
import { showStatus } from './statusBar.ts';

export function activate(context: vscode.ExtensionContext): void {
  const output = vscode.window.createOutputChannel('Linux VM', { log: true });
  const machine = new Machine(output);
  const panels = new VmPanels(context, machine);
  const files = new VmFileSystem(machine);
  const tree = new DiskTree(machine, files);
  context.subscriptions.push(
    output, machine, panels, files, tree,
    ...registerCommands(machine, panels, output),
    ...registerDiskCommands(files, tree),
    showStatus(machine), markWhileOff(machine),
  );
  if (openAtStartup() && !hasPanelTab()) void vscode.commands.executeCommand('linuxVm.open');
}

/** A panel of before a reload of the window has its tab already, and is about to be revived. */
function hasPanelTab(): boolean {
  const tabs = vscode.window.tabGroups.all.flatMap(group => group.tabs);
  return tabs.some(tab => tab.input instanceof vscode.TabInputWebview && tab.input.viewType.endsWith(viewType));
}
