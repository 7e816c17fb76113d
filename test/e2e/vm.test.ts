/** The whole product as a person uses it: Debian in the panel of real VS Code, in both hosts. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../harness/run.ts';
import { VsCode, until, type Panel } from '../harness/vscode.ts';
import { fileProbe, hostNames, startHost, type Host } from '../harness/vscodeHosts.ts';

const prompt = /user@[\w-]+:[^\n]*\$ *$/;

describe.each(hostNames)('%s host', name => {
  let host: Host;
  let vscode: VsCode;
  let panel: Panel;
  let probe: string;

  beforeAll(async () => {
    if (!existsSync(join(root, 'dist/images/base/manifest.json'))) throw new Error('The extension is not built with its disk: npm run image, npm run build');
    probe = await fileProbe();
    host = await startHost(name, { extensions: [root, probe] });
    vscode = await VsCode.open(host.url);
  });

  afterAll(async () => {
    await vscode?.close();
    await host?.stop();
    if (probe) rmSync(probe, { recursive: true, force: true });
  });

  it('shows a prompt', async () => {
    await vscode.command('Linux VM: Open Linux VM');
    panel = await vscode.panel();
    await panel.untilRunning(120);
    await panel.untilText(prompt, 60);
  });

  it('runs what is typed', async () => {
    await panel.enter('echo $((6 * 7)) && cat /etc/debian_version');
    await panel.untilText(/^42\n12\.\d+$/m);
    await panel.enter("python3 -c 'print(sum(range(10)))'; perl -e 'print 2 ** 10, \"\\n\"'; git --version");
    await panel.untilText(/^45\n1024\ngit version 2\.[\d.]+$/m, 60);
    await vscode.screenshot(`vm-${name}`);
  });

  it('stops a program with Ctrl-C', async () => {
    await panel.enter('clear; sleep 1000');
    await new Promise(done => setTimeout(done, 500));
    await panel.key('Control+c');
    await panel.untilText(prompt);
    await panel.enter('echo status $?');
    await panel.untilText(/^status 130$/m);
  });

  it('edits with vim', async () => {
    await panel.enter('vi notes.txt');
    await panel.untilText(/^~$/m);
    await panel.type('iwritten in vim');
    await panel.key('Escape');
    await panel.enter(':wq');
    await panel.untilText(prompt);
    await panel.enter('clear; cat notes.txt');
    await panel.untilText(/^written in vim$/m);
  });

  it('tells programs the size of the window', async () => {
    await panel.enter('clear; stty size');
    const before = Number(/^\d+ (\d+)$/m.exec(await panel.untilText(/^\d+ \d+$/m))![1]);
    await vscode.page.setViewportSize({ width: 1000, height: 700 });
    await until('a smaller size', async () => {
      await panel.enter('clear; stty size');
      return Number(/^\d+ (\d+)$/m.exec(await panel.untilText(/^\d+ \d+$/m))![1]) < before;
    });
    await vscode.page.setViewportSize({ width: 1280, height: 800 });
  });

  it('shows files in the explorer, and edits go both ways', async () => {
    await until('the root', async () => (await vscode.tree()).includes('home'));
    await vscode.expand('home');
    await vscode.expand('user');
    await panel.enter('clear; echo made in the VM > made.txt');
    await vscode.treeRow('made.txt').waitFor();
    await vscode.treeRow('made.txt').click();
    await until('the text', async () => (await vscode.editorText()).includes('made in the VM'));
    await vscode.page.locator('.editor-instance .view-lines').first().click();
    await vscode.page.keyboard.press('Control+Home');
    await vscode.page.keyboard.type('edited and ');
    await vscode.page.keyboard.press('Control+S');
    await vscode.command('Linux VM: Open Linux VM');
    await until('the saved text', async () => {
      await panel.enter('clear; cat made.txt');
      return /^edited and made in the VM$/m.test(await panel.untilText(prompt, 10));
    });
    await panel.enter('rm made.txt');
    await vscode.treeRow('made.txt').waitFor({ state: 'detached' });
  });

  it("serves the VM's files to any extension", async () => {
    await panel.enter('clear; mkdir -p probe/sub && cd probe && echo target > target && ln -s target link && ln -s sub dirlink && ln -s none broken');
    await panel.enter('touch readonly && chmod 444 readonly && touch script.sh && chmod 754 script.sh; cd; echo made');
    await panel.untilText(/^made$/m);
    await vscode.command("Probe the VM's files");
    expect(await until('the result', async () => (await vscode.messages()).find(message => message.startsWith('probe: ')), 120)).toBe('probe: all is well');
    await panel.enter('clear; stat -c %a:%U probe/script.sh && probe/script.sh');
    await panel.untilText(/^754:user\nsaved$/m);
  });

  it('keeps a second terminal beside the first', async () => {
    await panel.frame.locator('vscode-toolbar-button[label="New terminal"]').click();
    await panel.untilText(prompt);
    await panel.enter('tty');
    await panel.untilText(/^\/dev\/pts\/1$/m);
    await panel.enter('exit');
    await until('one tab', async () => (await panel.tabs()).length === 1);
  });

  it('asks before it is closed while something runs', async () => {
    await panel.enter('clear; top');
    await panel.untilText(/%Cpu/);
    await vscode.command('Linux VM: Close Linux VM');
    await until('the question', async () => (await vscode.messages()).join().includes('still running'));
    await vscode.press('Cancel');
    await panel.type('q');
    await panel.untilText(prompt);
  });

  it('boots again after a reload of the window', async () => {
    // VS Code keeps a panel's state some seconds after the fact.
    await new Promise(done => setTimeout(done, name === 'web' ? 8000 : 3000));
    await vscode.reload();
    panel = await vscode.panel();
    await panel.untilRunning(120);
    await panel.untilText(/The window was reloaded[^]*\$ *$/, 60);
    await panel.enter('echo back');
    await panel.untilText(/^back$/m);
    expect(await vscode.hasPanel()).toBe(true);
  });
});
