/** Links that a person followed in a terminal. Programs of the VM wrote them: they may lead out of this computer, not into it. */
import * as vscode from 'vscode';

const schemes = new Set(['http', 'https', 'mailto']);

/** Opens a link, after VS Code's own question. Throws for what isn't a link to the web or a mail address. */
export async function openLink(text: string): Promise<void> {
  const uri = vscode.Uri.parse(text, true);
  if (!schemes.has(uri.scheme.toLowerCase())) throw new Error(`links with the scheme ${uri.scheme} are not opened`);
  await vscode.env.openExternal(uri);
}
