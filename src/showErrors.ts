/** Errors of what a person asked for. */
import * as vscode from 'vscode';

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Does something that a person asked for, and tells them if it fails. */
export async function showErrors(act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    void vscode.window.showErrorMessage(messageOf(error));
  }
}
