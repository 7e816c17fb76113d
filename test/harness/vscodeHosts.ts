/**
 * Real VS Code with an extension in it, in each of the ways that people get it: `web` (no server, web worker extension host, as
 * vscode.dev) and `node` (code-server, Node extension host). Each call serves a fresh one with its own data.
 */
import { build } from 'esbuild';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCodeServer, prepareNodeHost } from '../../scripts/vscode/codeServer.ts';
import { calmSettings } from '../../scripts/vscode/settings.ts';
import { serveStatic } from '../../scripts/vscode/staticServer.ts';
import { readWebBuild } from '../../scripts/vscode/webBuild.ts';
import { root } from './run.ts';

export const hostNames = ['web', 'node'] as const;
export type HostName = (typeof hostNames)[number];

const cache = join(root, '.cache/vscode');

export interface Host {
  readonly name: HostName;
  readonly url: string;
  stop(): Promise<void>;
}

export interface HostOptions {
  /** Folders of unpacked extensions. */
  readonly extensions: readonly string[];
  /** `node` only: a folder of installed extensions, as `installVsix` makes it. */
  readonly installed?: string;
  /** `node` only: the folder that is opened; an empty one if none is named. */
  readonly workspace?: string;
  readonly settings?: Readonly<Record<string, unknown>>;
}

export async function startHost(name: HostName, options: HostOptions): Promise<Host> {
  return name === 'web' ? startWeb(options) : startNode(options);
}

async function startWeb({ extensions, settings }: HostOptions): Promise<Host> {
  const { vscode } = await getCodeServer(cache, console.log);
  const served = await serveStatic({ build: readWebBuild(vscode), extensions, port: 0, sameOrigin: false, settings: { ...calmSettings, ...settings } });
  return { name: 'web', ...served };
}

async function startNode(options: HostOptions): Promise<Host> {
  const server = await prepareNodeHost(cache, console.log);
  const data = mkdtempSync(join(tmpdir(), 'terrarium-code-server-'));
  const extensions = options.installed ?? join(data, 'extensions');
  mkdirSync(extensions, { recursive: true });
  // Found as long as there is no extensions.json there.
  options.extensions.forEach((folder, index) => symlinkSync(folder, join(extensions, `unpacked-${index}`)));
  const workspace = options.workspace ?? join(data, 'workspace');
  mkdirSync(workspace, { recursive: true });
  mkdirSync(join(data, 'User'), { recursive: true });
  writeFileSync(join(data, 'User/settings.json'), JSON.stringify({ ...calmSettings, ...options.settings }));
  writeFileSync(join(data, 'config.yaml'), 'auth: none\n');
  const port = await freePort();
  const log = openSync(join(data, 'server.log'), 'a');
  const child = spawn(server.node, [
    join(server.folder, 'out/node/entry.js'), '--config', join(data, 'config.yaml'), '--bind-addr', `127.0.0.1:${port}`, '--auth', 'none',
    '--user-data-dir', data, '--extensions-dir', extensions, '--disable-telemetry', '--disable-update-check', '--disable-workspace-trust',
    '--disable-getting-started-override', '--ignore-last-opened', workspace,
  ], { stdio: ['ignore', log, log], detached: true, env: { ...process.env, HOME: data, XDG_DATA_HOME: join(data, 'xdg'), VSCODE_LOGS: undefined } });
  const ended = new Promise<void>(done => child.once('exit', () => done()));
  const url = `http://127.0.0.1:${port}/`;
  await untilAnswers(`${url}healthz`, () => child.exitCode === null, () => readFileSync(join(data, 'server.log'), 'utf8'));
  return {
    name: 'node', url,
    stop: async () => {
      killGroup(child.pid!, 'SIGTERM');
      const late = setTimeout(() => killGroup(child.pid!, 'SIGKILL'), 5000);
      await ended;
      clearTimeout(late);
      rmSync(data, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Installs a .vsix with code-server's own command; answers the folder of installed extensions. */
export async function installVsix(vsix: string): Promise<string> {
  const server = await prepareNodeHost(cache, console.log);
  const data = mkdtempSync(join(tmpdir(), 'terrarium-vsix-'));
  const extensions = join(data, 'extensions');
  const child = spawn(server.node, [
    join(server.folder, 'out/node/entry.js'), '--install-extension', vsix, '--extensions-dir', extensions, '--user-data-dir', join(data, 'user'),
  ], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: data } });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => { said += text; });
  const status = await new Promise<number | null>(done => child.once('close', done));
  if (status !== 0) throw new Error(`code-server --install-extension: status ${status}\n${said}`);
  return extensions;
}

/** A folder that is the extension as it is built, but with other files of dist/ in `dist`, for tests with a double. */
export function extensionFolder(dist: (folder: string) => void): string {
  const folder = mkdtempSync(join(tmpdir(), 'terrarium-extension-'));
  for (const name of ['package.json', 'package.nls.json', 'media', 'l10n']) cpSync(join(root, name), join(folder, name), { recursive: true });
  mkdirSync(join(folder, 'dist'));
  dist(join(folder, 'dist'));
  return folder;
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer().once('error', failed).listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}

async function untilAnswers(url: string, alive: () => boolean, log: () => string): Promise<void> {
  for (const end = Date.now() + 60_000; ;) {
    try {
      if ((await fetch(url)).status < 500) return;
    } catch {
      // Not yet.
    }
    if (!alive() || Date.now() > end) throw new Error(`code-server does not answer; its log:\n${log()}`);
    await new Promise(done => setTimeout(done, 100));
  }
}

/** A folder with the built extension of test/harness/fileProbe. */
export async function fileProbe(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'terrarium-probe-'));
  const source = join(root, 'test/harness/fileProbe');
  cpSync(join(source, 'package.json'), join(folder, 'package.json'));
  await build({
    entryPoints: [join(source, 'extension.ts')], outfile: join(folder, 'extension.js'), bundle: true, format: 'cjs', target: 'es2022', external: ['vscode'], logLevel: 'warning',
  });
  return folder;
}
