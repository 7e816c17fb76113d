/** The commands that are about the VM and its terminals. */
import * as vscode from 'vscode';
import { stageTexts, type PageCommand, type VmStatus } from '../webview/protocol.ts';
import { diskRoot } from './fileSystem.ts';
import type { Machine } from './machine.ts';
import { mayEnd, names, type VmPanels } from './panel.ts';
import { localised } from './sentences.ts';

const pageCommands: readonly PageCommand[] = ['newTerminal', 'closeTerminal', 'nextTerminal', 'previousTerminal', 'find', 'copy', 'paste', 'selectAll', 'clear'];

export function registerCommands(machine: Machine, panels: VmPanels, output: vscode.LogOutputChannel): vscode.Disposable[] {
  const command = (name: string, run: () => unknown) => vscode.commands.registerCommand(`linuxVm.${name}`, run);
  return [
    command('open', () => open(machine, panels)),
    command('close', async () => {
      if (await mayEnd(machine.programs.map(program => program.name), vscode.l10n.t('Close'))) panels.close();
    }),
    command('restart', async () => {
      if (await mayEnd(machine.programs.map(program => program.name), vscode.l10n.t('Restart'))) panels.restart();
    }),
    command('showLog', () => output.show()),
    command('addDiskToWorkspace', () => addDiskToWorkspace(machine)),
    ...pageCommands.map(name => command(name, async () => {
      if (!panels.isOpen) await open(machine, panels);
      else panels.command(name);
    })),
  ];
}

/** Opens the panel and shows the start's progress with a way to cancel it; ends when the VM runs, failed, or was closed. */
async function open(machine: Machine, panels: VmPanels): Promise<void> {
  const wasOpen = panels.isOpen;
  panels.open();
  if (wasOpen && stateOf(machine) === 'off') panels.restart();
  if (stateOf(machine) !== 'starting') return;
  await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: vscode.l10n.t('Opening Linux VM'), cancellable: true },
    (progress, cancelled) => untilStarted(machine, progress, cancelled, () => panels.close()),
  );
  const status: VmStatus = machine.status;
  if (status.state !== 'error') return;
  const again = vscode.l10n.t('Start again');
  const log = vscode.l10n.t('Show log');
  const choice = await vscode.window.showErrorMessage(localised(status.message), again, log);
  if (choice === again) panels.restart();
  else if (choice === log) await vscode.commands.executeCommand('linuxVm.showLog');
}

/** Through a function, because a state that was just compared may have changed since. */
function stateOf(machine: Machine): VmStatus['state'] {
  return machine.status.state;
}

function untilStarted(
  machine: Machine, progress: vscode.Progress<{ message?: string; increment?: number }>, cancelled: vscode.CancellationToken, cancel: () => void,
): Promise<void> {
  return new Promise(done => {
    let shown = 0;
    const follow = (status: VmStatus): void => {
      if (status.state !== 'starting') {
        listener.dispose();
        cancelListener.dispose();
        return done();
      }
      const increment = Math.max(0, status.fraction * 100 - shown);
      shown += increment;
      progress.report({ message: vscode.l10n.t(stageTexts[status.stage]), increment });
    };
    const listener = machine.onDidChangeStatus(follow);
    const cancelListener = cancelled.onCancellationRequested(cancel);
    follow(machine.status);
  });
}

/** The disk as a folder of the workspace. Going to several folders reloads the window in some hosts, which ends the VM: so ask. */
async function addDiskToWorkspace(machine: Machine): Promise<void> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.some(folder => folder.uri.scheme === diskRoot.scheme)) {
    await vscode.window.showInformationMessage(vscode.l10n.t("The VM's disk is in the workspace already."));
    return;
  }
  if (vscode.workspace.workspaceFile === undefined) {
    const add = vscode.l10n.t('Add');
    const programs = names(machine.programs.map(program => program.name));
    const detail = vscode.l10n.t('VS Code may reload its window to make this a workspace of several folders. The Linux VM then starts anew.')
      + (programs ? `\n${vscode.l10n.t('They will be ended: {0}', programs)}` : '');
    if (await vscode.window.showWarningMessage(vscode.l10n.t("Add the VM's disk to the workspace?"), { modal: true, detail }, add) !== add) return;
  }
  vscode.workspace.updateWorkspaceFolders(folders.length, 0, { uri: diskRoot, name: vscode.l10n.t('Linux VM disk') });
}
