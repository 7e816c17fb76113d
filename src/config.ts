/** What the extension reads from VS Code's settings. */
import * as vscode from 'vscode';
import type { TerminalAppearance } from '../webview/protocol.ts';

/** Guest RAM in bytes (`linuxVm.memory` is in MB); out of range is brought into it. */
export function memory(): number {
  const megabytes = vscode.workspace.getConfiguration('linuxVm').get<number>('memory', 1024);
  return Math.min(2048, Math.max(128, Math.round(megabytes))) * 1024 * 1024;
}

export function openAtStartup(): boolean {
  return vscode.workspace.getConfiguration('linuxVm').get<boolean>('openAtStartup', false);
}

/** The look of VS Code's own terminal, which ours takes over. */
export function terminalAppearance(): TerminalAppearance {
  const terminal = vscode.workspace.getConfiguration('terminal.integrated');
  const editor = vscode.workspace.getConfiguration('editor');
  const style = terminal.get<string>('cursorStyle', 'block');
  return {
    fontFamily: terminal.get<string>('fontFamily') || editor.get<string>('fontFamily') || 'monospace',
    fontSize: clamp(terminal.get<number>('fontSize', 14), 6, 100),
    lineHeight: clamp(terminal.get<number>('lineHeight', 1), 1, 4),
    letterSpacing: terminal.get<number>('letterSpacing', 0),
    cursorBlink: terminal.get<boolean>('cursorBlinking', false),
    cursorStyle: style === 'line' ? 'bar' : style === 'underline' ? 'underline' : 'block',
    scrollback: clamp(terminal.get<number>('scrollback', 1000), 0, 100_000),
    minimumContrastRatio: clamp(terminal.get<number>('minimumContrastRatio', 4.5), 1, 21),
  };
}

export function affectsAppearance(event: vscode.ConfigurationChangeEvent): boolean {
  return event.affectsConfiguration('terminal.integrated') || event.affectsConfiguration('editor.fontFamily');
}

function clamp(value: number, least: number, most: number): number {
  return Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : least;
}
