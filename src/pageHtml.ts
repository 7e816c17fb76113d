/** The page's HTML. No inline script or style of ours, no eval; wasm and a worker from a blob, because that is the only one there can be. */
import * as vscode from 'vscode';
import { vmOptionsName, type VmOptions } from '../webview/protocol.ts';

/** `memory`: guest RAM in bytes. start.js comes first: it starts the VM while the rest arrives. */
export function pageHtml(webview: vscode.Webview, extension: vscode.Uri, memory: number): string {
  const dist = (...path: string[]) => webview.asWebviewUri(vscode.Uri.joinPath(extension, 'dist', ...path)).toString();
  const url = (name: string) => dist('page', name);
  const options: VmOptions = { image: `${dist('images', 'base')}/`, engine: dist('engine.wasm'), worker: dist('worker.js'), memory };
  const nonce = randomName();
  const policy = [
    `default-src 'none'`,
    `script-src 'nonce-${nonce}' 'wasm-unsafe-eval'`,
    `worker-src blob:`,
    `connect-src ${webview.cspSource}`,
    // xterm.js writes its own <style> elements.
    `style-src ${webview.cspSource} 'unsafe-inline'`,
    `font-src ${webview.cspSource}`,
    `img-src ${webview.cspSource}`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${vscode.env.language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="${vmOptionsName}" content="${attribute(JSON.stringify(options))}">
<script nonce="${nonce}" src="${url('start.js')}"></script>
<link rel="stylesheet" href="${url('page.css')}">
<link rel="stylesheet" href="${url('codicon.css')}" id="vscode-codicon-stylesheet" nonce="${nonce}">
<title>Linux VM</title>
</head>
<body data-vscode-context='{"preventDefaultContextMenuItems": true}'>
<script nonce="${nonce}" src="${url('page.js')}"></script>
</body>
</html>`;
}

function attribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}

function randomName(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, '0')).join('');
}
