/** What the VM says, in the person's language. */
import * as vscode from 'vscode';
import type { FileFailure, Sentence } from '../webview/protocol.ts';

export function localised({ text, args }: Sentence): string {
  return vscode.l10n.t(text, ...args);
}

/** What a file request failed with: a sentence, the errno's name and the path. */
export function fileSentence({ errno, path }: FileFailure): string {
  return `${errnoSentence(errno)} (${errno}): ${path}`;
}

function errnoSentence(errno: string): string {
  switch (errno) {
    case 'ENOENT': return vscode.l10n.t('No such file or directory');
    case 'EEXIST': return vscode.l10n.t('The file exists already');
    case 'ENOTDIR': return vscode.l10n.t('Not a directory');
    case 'EISDIR': return vscode.l10n.t('Is a directory');
    case 'EACCES': return vscode.l10n.t('Permission denied');
    case 'EPERM': return vscode.l10n.t('Operation not permitted');
    case 'EROFS': return vscode.l10n.t('The file system is read-only');
    case 'ENOSPC': return vscode.l10n.t("No space left on the VM's disk");
    case 'ENOTEMPTY': return vscode.l10n.t('The directory is not empty');
    case 'EIO': return vscode.l10n.t("The VM's disk could not be read; see the output channel");
    case 'ELOOP': return vscode.l10n.t('Too many levels of symbolic links');
    case 'ENAMETOOLONG': return vscode.l10n.t('The name is too long');
    case 'EFBIG': return vscode.l10n.t('The file is too large');
    case 'ENOMEM': return vscode.l10n.t('The VM is out of memory');
    case 'EBUSY': return vscode.l10n.t('The file or directory is in use');
    default: return vscode.l10n.t('The operation failed');
  }
}
