/** Marks the disk in the explorer while the VM is off: its folder is then empty, which would otherwise look like the truth. */
import * as vscode from 'vscode';
import { diskRoot } from './fileSystem.ts';
import type { Machine } from './machine.ts';

export function markWhileOff(machine: Machine): vscode.Disposable {
  const changed = new vscode.EventEmitter<vscode.Uri>();
  return vscode.Disposable.from(
    changed,
    machine.onDidChangeRunning(() => changed.fire(diskRoot)),
    vscode.window.registerFileDecorationProvider({
      onDidChangeFileDecorations: changed.event,
      provideFileDecoration: uri => uri.scheme === diskRoot.scheme && uri.path === '/' && !machine.running
        ? { badge: '⏻', tooltip: vscode.l10n.t('The Linux VM is not running'), color: new vscode.ThemeColor('disabledForeground') }
        : undefined,
    }),
  );
}
