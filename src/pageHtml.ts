/** The page's HTML. No inline script or style of ours, no eval; wasm and a worker from a blob, because that is the only one there can be. */
import * as vscode from 'vscode';

export function pageHtml(webview: vscode.Webview, extension: vscode.Uri): string {
  const url = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(extension, 'dist', 'page', name)).toString();
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
<link rel="stylesheet" href="${url('page.css')}">
<link rel="stylesheet" href="${url('codicon.css')}" id="vscode-codicon-stylesheet" nonce="${nonce}">
<title>Linux VM</title>
</head>
<body data-vscode-context='{"preventDefaultContextMenuItems": true}'>
<script nonce="${nonce}" src="${url('page.js')}"></script>
</body>
</html>`;
}

function randomName(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, '0')).join('');
}
