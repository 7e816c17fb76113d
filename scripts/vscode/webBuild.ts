/**
 * VS Code for the Web without a server behind it, as vscode.dev is: only the web worker extension host. code-server's workbench is one,
 * but for two places in its boot script that expect the server; this changes them in a copy of that one file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface WebBuild {
  /** Folder that is served as /static/. */
  readonly folder: string;
  /** Files below `folder`, by path from it, that are served with other content. */
  readonly replaced: ReadonlyMap<string, string>;
  /** Template of the page, with {{NAME}} places. */
  readonly page: string;
  readonly commit: string;
}

const bootScript = 'out/vs/code/browser/workbench/workbench.js';

/** What to change in the boot script: once each, or code-server isn't the version that we know. */
const edits: readonly { readonly what: string; readonly find: RegExp; readonly by: string }[] = [
  {
    // A remote authority makes the workbench connect to a server before anything else.
    what: 'the remote authority',
    find: /\{\.\.\.JSON\.parse\((\w+)\),remoteAuthority:location\.host\}/g,
    by: '{userDataPath:"/",isEnabledFileDownloads:true,isEnabledFileUploads:true,isEnabledCoderGettingStarted:false,...JSON.parse($1)}',
  },
  {
    // code-server keeps user settings on the server; stock VS Code for the Web in the browser's storage.
    what: 'the home of user data',
    find: /get userRoamingDataHome\(\)\{return \w+\((\w+)\.file\(this\.userDataPath\)\.with\(\{scheme:(\w+)\.vscodeRemote\}\),"User"\)\}/g,
    by: 'get userRoamingDataHome(){return $1.file("/User").with({scheme:$2.vscodeUserData})}',
  },
];

/** Reads the build out of code-server's folder of VS Code. Throws with a sentence if code-server isn't as expected. */
export function readWebBuild(vscode: string): WebBuild {
  let script = readFileSync(join(vscode, bootScript), 'utf8');
  for (const edit of edits) {
    const places = script.match(edit.find)?.length ?? 0;
    if (places !== 1) throw new Error(`This code-server can't be served statically: ${edit.what} is in ${places} places of ${bootScript}`);
    script = script.replace(edit.find, edit.by);
  }
  const product = JSON.parse(readFileSync(join(vscode, 'product.json'), 'utf8')) as { commit: string };
  return {
    folder: vscode, commit: product.commit,
    replaced: new Map([[bootScript, script]]),
    page: readFileSync(join(vscode, 'out/vs/code/browser/workbench/workbench.html'), 'utf8'),
  };
}
