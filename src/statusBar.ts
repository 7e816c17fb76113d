/** The status bar item: what the VM does, a click away from its panel; hidden while it is off. */
import * as vscode from 'vscode';
import { stageTexts, type VmStatus } from '../webview/protocol.ts';
import type { Machine } from './machine.ts';
import { localised } from './sentences.ts';

export function showStatus(machine: Machine): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('linuxVm.status', vscode.StatusBarAlignment.Left, 10);
  item.name = 'Linux VM';
  item.command = 'linuxVm.open';
  const show = (status: VmStatus): void => {
    const error = status.state === 'error';
    item.backgroundColor = error ? new vscode.ThemeColor('statusBarItem.errorBackground') : undefined;
    item.text = `${error ? '$(error)' : status.state === 'starting' ? '$(loading~spin)' : '$(vm-running)'} Linux VM`;
    item.tooltip = status.state === 'running' ? vscode.l10n.t('The Linux VM is running. Click to show it.')
      : status.state === 'starting' ? vscode.l10n.t(stageTexts[status.stage])
      : status.state === 'error' ? localised(status.message) : undefined;
    if (status.state === 'off') item.hide();
    else item.show();
  };
  show(machine.status);
  return vscode.Disposable.from(item, machine.onDidChangeStatus(show));
}
