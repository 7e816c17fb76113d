/** A disk that is missing or damaged, in real VS Code: the person reads what to do, and VS Code and the panel go on. */
import { cpSync, existsSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../harness/run.ts';
import { VsCode, until, type Panel } from '../harness/vscode.ts';
import { extensionFolder, hostNames, startHost, type Host } from '../harness/vscodeHosts.ts';

const prompt = /user@[\w-]+:[^\n]*\$ *$/;
const sentence = "The Linux VM's disk is missing or damaged. If starting again doesn't help, install the extension again.";

describe.each(hostNames)('%s host', name => {
  let extension: string;
  let image: string;
  let host: Host;
  let vscode: VsCode;

  /** Presses "Start again" and waits for the page that comes then. */
  async function startAgain(): Promise<Panel> {
    const old = await vscode.panel();
    await old.frame.evaluate(() => document.body.classList.add('old'));
    await old.frame.locator('.cover vscode-button').click();
    return until('a new page', async () => {
      const fresh = await vscode.panel(1);
      return !await fresh.frame.evaluate(() => document.body.classList.contains('old')) && fresh;
    });
  }

  async function fails(panel: Panel, detail: RegExp): Promise<void> {
    await until('the sentence', async () => await panel.cover() === sentence);
    expect(await panel.frame.locator('.cover pre').textContent()).toMatch(detail);
  }

  beforeAll(async () => {
    if (!existsSync(join(root, 'dist/images/base/manifest.json'))) throw new Error('The extension is not built with its disk: npm run image, npm run build');
    extension = extensionFolder(dist => {
      for (const part of ['node', 'web', 'page', 'worker.js', 'engine.wasm']) cpSync(join(root, 'dist', part), join(dist, part), { recursive: true });
      image = join(dist, 'images/base');
      mkdirSync(image, { recursive: true });
      for (const file of readdirSync(join(root, 'dist/images/base'))) cpSync(join(root, 'dist/images/base', file), join(image, file));
    });
    host = await startHost(name, { extensions: [extension] });
    vscode = await VsCode.open(host.url);
  });

  afterAll(async () => {
    await vscode?.close();
    await host?.stop();
    if (extension) rmSync(extension, { recursive: true, force: true });
  });

  it('says that there is no image', async () => {
    renameSync(join(image, 'manifest.json'), join(image, 'away.json'));
    await vscode.command('Linux VM: Open Linux VM');
    await fails(await vscode.panel(), /^manifest\.json: HTTP 404$/);
    await vscode.tree();
    await until('the view says so too', async () => (await vscode.page.locator('.pane .welcome-view-content').allTextContents()).join().includes('stopped'));
  });

  it('says that the manifest is damaged', async () => {
    writeFileSync(join(image, 'manifest.json'), '{ "format": 1');
    await fails(await startAgain(), /^The disk's manifest is not JSON: /);
  });

  it('says that the disk does not arrive', async () => {
    renameSync(join(image, 'away.json'), join(image, 'manifest.json'));
    renameSync(join(image, 'chunks-000.bin'), join(image, 'away.bin'));
    await fails(await startAgain(), /^The disk can't be mounted: The file system could not be read\. \(EIO\)$/);
  });

  it('says that the disk is damaged', async () => {
    writeFileSync(join(image, 'chunks-000.bin'), new Uint8Array(8 << 20).fill(0x5a));
    await fails(await startAgain(), /^The disk can't be mounted: /);
    await vscode.screenshot(`broken-disk-${name}`);
    rmSync(join(image, 'chunks-000.bin'));
    renameSync(join(image, 'away.bin'), join(image, 'chunks-000.bin'));
  });

  it('runs once it is whole; a missing part later is an error of the program only', async () => {
    const panel = await startAgain();
    await panel.untilRunning();
    await panel.untilText(prompt);
    await panel.enter('cat /etc/debian_version');
    await panel.untilText(/^12\.\d+$/m);
    const parts = readdirSync(image).filter(file => /^chunks-/.test(file));
    for (const part of parts) renameSync(join(image, part), join(image, `away-${part}`));
    await panel.enter('clear; cat /var/lib/dpkg/info/zlib1g:amd64.md5sums');
    await panel.untilText(/^cat: .*: Input\/output error$/m);
    for (const part of parts) linkSync(join(image, `away-${part}`), join(image, part));
    await until('the file', async () => {
      await panel.enter('clear; cat /var/lib/dpkg/info/zlib1g:amd64.md5sums');
      await panel.untilText(/[0-9a-f]{32} {2}\S+$/m, 3);
      return true;
    });
  });
});
