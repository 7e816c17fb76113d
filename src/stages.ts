/** What a start is busy with, in words. */
import * as vscode from 'vscode';
import type { StartStage } from '../webview/protocol.ts';

export function stageText(stage: StartStage): string {
  switch (stage) {
    case 'page': return vscode.l10n.t('Opening the panel');
    case 'engine': return vscode.l10n.t('Compiling the processor');
    case 'disk': return vscode.l10n.t('Reading the disk');
    case 'boot': return vscode.l10n.t('Booting');
  }
}
