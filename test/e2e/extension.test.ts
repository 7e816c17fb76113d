/** The extension and its page alone, in both hosts, with a double in the place of the VM. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildInto } from '../../scripts/build.mjs';
import { root } from '../harness/run.ts';
import { Panel, VsCode, until } from '../harness/vscode.ts';
import { extensionFolder, hostNames, startHost, type Host } from '../harness/vscodeHosts.ts';

let extension: string;

beforeAll(async () => {
  extension = extensionFolder(() => {});
  const dist = join(extension, 'dist');
  await buildInto(dist, ['node', 'web', 'page', 'worker'], { worker: { entryPoints: [join(root, 'test/harness/doubleWorker.ts')] } });
  writeFileSync(join(dist, 'engine.wasm'), Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  mkdirSync(join(dist, 'images/base'), { recursive: true });
  writeFileSync(join(dist, 'images/base/manifest.json'), '{ "name": "double" }');
  writeFileSync(join(dist, 'images/base/chunks-000.bin'), '0123456789');
});

afterAll(() => rmSync(extension, { recursive: true, force: true }));

describe.each(hostNames)('%s host', name => {
  let host: Host;
  let vscode: VsCode;
  let panel: Panel;

  beforeAll(async () => {
    host = await startHost(name, { extensions: [extension] });
    vscode = await VsCode.open(host.url);
  });

  afterAll(async () => {
    await vscode?.close();
    await host?.stop();
  });

  it('says in the view that the VM is off', async () => {
    await vscode.tree();
    await until('the welcome text', async () => (await vscode.page.locator('.pane .welcome-view-content').allTextContents()).join().includes('The Linux VM is off'));
  });

  it('opens the panel, types and sees output', async () => {
    await vscode.command('Linux VM: Open Linux VM');
    panel = await vscode.panel();
    await panel.untilRunning();
    await panel.untilText(/^\$ $|^\$$/m);
    await panel.enter('echo Hello');
    await panel.untilText(/^Hello$/m);
    expect(await vscode.page.locator('.statusbar-item', { hasText: 'Linux VM' }).count()).toBe(1);
    await vscode.screenshot(`double-${name}`);
  });

  it('fetches ranges of the disk for the worker', async () => {
    await panel.enter('fetch chunks-000.bin');
    await panel.untilText(/^5 bytes$/m);
    await panel.enter('fetch missing.bin');
    await panel.untilText(/^error missing\.bin: HTTP 404$|^error .*missing/m);
  });

  it('takes on the colours of a theme at once', async () => {
    const background = () => panel.frame.evaluate(() => getComputedStyle(document.querySelector('.xterm-scrollable-element')!).backgroundColor);
    const before = await background();
    await vscode.command('Preferences: Toggle between Light/Dark Themes');
    await until('another background', async () => await background() !== before);
    await vscode.command('Preferences: Toggle between Light/Dark Themes');
    await until('the background of before', async () => await background() === before);
  });

  it('keeps up with a flood and stays at its end', async () => {
    await panel.enter('flood 3000000');
    await panel.untilText(/^flooded$/m, 60);
  });

  it('opens a second terminal beside the first', async () => {
    await panel.frame.locator('vscode-toolbar-button[label="New terminal"]').click();
    await panel.untilText(/^\$/m);
    expect(await panel.tabs()).toEqual(['double', 'double']);
    await panel.enter('echo second');
    await panel.untilText(/^second$/m);
    await panel.enter('exit 0');
    await until('one tab', async () => (await panel.tabs()).length === 1);
    await panel.untilText(/^flooded$/m);
  });

  it('says a status that is not 0, and Enter brings another shell', async () => {
    await panel.enter('exit 3');
    await panel.untilText(/status 3/);
    await panel.key('Enter');
    await panel.enter('echo again');
    await panel.untilText(/^again$/m);
  });

  it('copies and pastes', async () => {
    await vscode.page.bringToFront();
    await panel.enter('echo copied-text');
    await panel.untilText(/^copied-text$/m);
    await vscode.page.evaluate(() => navigator.clipboard.writeText('echo from the clipboard'));
    await panel.key('Control+Shift+V');
    await panel.untilText(/\$ echo from the clipboard$/m);
    await panel.key('Enter');
    await panel.untilText(/^from the clipboard$/m);
  });

  it('opens a link with Ctrl and a click, after VS Code has asked', async () => {
    await panel.enter('echo https://vm.invalid/page');
    await panel.untilText(/^https:\/\/vm\.invalid\/page$/m);
    const row = panel.frame.locator('.screen:not([hidden]) .xterm-rows > div', { hasText: /^http/ }).last();
    await until('the question', async () => {
      const { x, y, height } = (await row.boundingBox())!;
      await vscode.page.mouse.move(x + 30, y + height / 2);
      await vscode.page.mouse.move(x + 40, y + height / 2);
      await vscode.page.keyboard.down('Control');
      await vscode.page.mouse.click(x + 40, y + height / 2);
      await vscode.page.keyboard.up('Control');
      await vscode.page.locator('.monaco-dialog-box', { hasText: 'vm.invalid/page' }).waitFor({ timeout: 1000 });
      return true;
    });
    await vscode.press('Cancel');
  });

  it('finds in the terminal', async () => {
    await panel.key('Control+Shift+F');
    await panel.frame.locator('.find input').fill('clipboard');
    await until('a count', async () => /^\d of \d$/.test(await panel.frame.locator('.find .count').textContent() ?? ''));
    await vscode.page.keyboard.press('Escape');
    expect(await panel.frame.locator('.find').isVisible()).toBe(false);
  });

  it('shows, edits and saves the files; changes of the VM show at once', async () => {
    await until('the root', async () => (await vscode.tree()).includes('home'));
    await vscode.expand('home');
    await vscode.expand('user');
    await panel.enter('touch /home/user/new.txt');
    await vscode.treeRow('new.txt').waitFor();
    await vscode.treeRow('hello.txt').click();
    await until('the text', async () => (await vscode.editorText()).includes('hello from the VM'));
    await vscode.page.locator('.editor-instance .view-lines').first().click();
    await vscode.page.keyboard.press('Control+Home');
    await vscode.page.keyboard.type('EDITED ');
    await vscode.page.keyboard.press('Control+S');
    await vscode.command('Linux VM: Open Linux VM');
    await until('the saved text', async () => {
      await panel.enter('cat /home/user/hello.txt');
      return /EDITED hello/.test(await panel.text());
    });
  });

  it('follows the size, not the one of a hidden webview', async () => {
    await panel.enter('size');
    const [, columns] = /^(\d+)x\d+$/m.exec(await panel.untilText(/^\d+x\d+$/m))!;
    await vscode.page.setViewportSize({ width: 1000, height: 700 });
    await until('fewer columns', async () => {
      await panel.enter('size');
      const sizes = [...(await panel.text()).matchAll(/^(\d+)x\d+$/gm)];
      return Number(sizes.at(-1)![1]) < Number(columns);
    });
    await vscode.page.setViewportSize({ width: 1280, height: 800 });
  });

  it('goes on while it is hidden, and does not take the size of nothing', async () => {
    const resizes = async () => {
      await panel.enter('resizes');
      return [...(await panel.untilText(/^resized \d+ times$/m)).matchAll(/^resized (\d+) times$/gm)].at(-1)![1];
    };
    await new Promise(done => setTimeout(done, 500));
    const before = await resizes();
    await vscode.treeRow('hello.txt').click();
    await until('the panel hidden', async () => (await vscode.editorText()).includes('hello'));
    await new Promise(done => setTimeout(done, 1000));
    await vscode.command('Linux VM: Open Linux VM');
    await panel.enter('echo still here');
    await panel.untilText(/^still here$/m);
    expect(await resizes()).toBe(before);
  });

  it('asks before it closes a terminal in which something runs', async () => {
    await panel.enter('run vim');
    await vscode.command('Linux VM: Close Linux VM');
    await until('the question', async () => (await vscode.messages()).join().includes('still running'));
    await vscode.press('Cancel');
    expect(await vscode.hasPanel()).toBe(true);
    await panel.key('Control+c');
  });

  it('shows what ended it and starts again', async () => {
    await panel.enter('crash');
    await until('the error', async () => (await panel.cover()).includes('error of its own'));
    expect(await panel.frame.locator('.cover pre').textContent()).toContain('crashed on purpose');
    await panel.frame.locator('.cover vscode-button').click();
    panel = await until('a new page', async () => {
      const fresh = await vscode.panel(1);
      return await fresh.cover() === '' ? fresh : undefined;
    });
    await panel.enter('echo anew');
    await panel.untilText(/^anew$/m);
  });

  it('comes back after a reload of the window and says so', async () => {
    await until('the state is kept', async () => new Promise<boolean>(done => setTimeout(() => done(true), 8000)));
    await vscode.reload();
    panel = await vscode.panel(60);
    await panel.untilRunning();
    await panel.untilText(/The window was reloaded/);
    await panel.enter('echo back');
    await panel.untilText(/^back$/m);
  });

  it('offers the VM again when its panel was closed on a running program', async () => {
    await panel.enter('run vim');
    await new Promise(done => setTimeout(done, 500));
    await vscode.command('View: Close Editor');
    await until('the offer', async () => (await vscode.messages()).join().includes('vim'));
    await vscode.press('Open again');
    panel = await vscode.panel();
    await panel.untilRunning();
  });
});

describe.each(hostNames)('%s host with the disk as its folder', name => {
  let host: Host;
  let vscode: VsCode;

  const explorer = () => vscode.page.locator('.explorer-folders-view .monaco-list-row .label-name').allTextContents();
  const row = (text: string) => vscode.page.locator('.explorer-folders-view .monaco-list-row', { hasText: text }).first();

  beforeAll(async () => {
    host = await startHost(name, { extensions: [extension], settings: { 'explorer.compactFolders': false } });
    vscode = await VsCode.open(`${host.url}?folder=linuxvm%3A%2F`);
  });

  afterAll(async () => {
    await vscode?.close();
    await host?.stop();
  });

  it('keeps the explorer while the VM is off, and fills the folder when it runs', async () => {
    await vscode.command('View: Show Explorer');
    await new Promise(done => setTimeout(done, 3000));
    expect(await vscode.page.locator('.explorer-viewlet .monaco-progress-container.active').count()).toBe(0);
    await vscode.command('Linux VM: Open Linux VM');
    await (await vscode.panel()).untilRunning();
    await until('the root in the explorer', async () => (await explorer()).includes('home'));
  });

  it("does the explorer's own new, rename and delete in the VM", async () => {
    const panel = await vscode.panel();
    for (const folder of ['home', 'user']) {
      await until(`${folder} expanded`, async () => {
        if (await row(folder).getAttribute('aria-expanded', { timeout: 1000 }) === 'true') return true;
        await row(folder).locator('.monaco-tl-twistie').click();
        return false;
      });
    }
    await row('hello.txt').waitFor();
    const input = vscode.page.locator('.explorer-folders-view input').first();
    await until('the name field', async () => {
      await row('hello.txt').click();
      await vscode.page.keyboard.press('F2');
      await input.waitFor({ timeout: 1000 });
      return true;
    });
    await input.fill('renamed.txt');
    await input.press('Enter');
    await row('renamed.txt').waitFor();
    await vscode.command('Linux VM: Open Linux VM');
    await panel.enter('cat /home/user/renamed.txt');
    await panel.untilText(/^hello from the VM$/m);
    await panel.enter('touch /home/user/by-a-program');
    await row('by-a-program').waitFor();
    await until('the question', async () => {
      await row('by-a-program').click();
      await vscode.page.keyboard.press('Delete');
      await vscode.page.locator('.monaco-dialog-box').waitFor({ timeout: 1000 });
      return true;
    });
    await vscode.press('Delete');
    await row('by-a-program').waitFor({ state: 'detached' });
    await vscode.command('Linux VM: Open Linux VM');
    await panel.enter('cat /home/user/by-a-program');
    await panel.untilText(/^no such file$/m);
  });
});

describe('web host', () => {
  it('adds the disk to the workspace after a question', async () => {
    const host = await startHost('web', { extensions: [extension] });
    try {
      const vscode = await VsCode.open(host.url);
      try {
        await vscode.command('Linux VM: Add VM disk to workspace');
        await until('the question', async () => (await vscode.messages()).join().includes('to the workspace'));
        await vscode.press('Add');
        await until('the folder', async () => (await vscode.page.locator('.explorer-folders-view').allTextContents()).join().includes('Linux VM disk'), 60);
        await vscode.command('Linux VM: Open Linux VM');
        await (await vscode.panel()).untilRunning();
        const root = vscode.page.locator('.explorer-folders-view .monaco-list-row', { hasText: 'Linux VM disk' }).first();
        await until('its files', async () => {
          if (await root.getAttribute('aria-expanded') !== 'true') await root.click();
          return (await vscode.page.locator('.explorer-folders-view .label-name').allTextContents()).includes('home');
        });
      } finally {
        await vscode.close();
      }
    } finally {
      await host.stop();
    }
  });

  it('opens at startup where the setting says so, and once only after a reload', async () => {
    const host = await startHost('web', { extensions: [extension], settings: { 'linuxVm.openAtStartup': true } });
    try {
      const vscode = await VsCode.open(host.url);
      try {
        await (await vscode.panel()).untilRunning();
        await new Promise(done => setTimeout(done, 8000));
        await vscode.reload();
        const panel = await vscode.panel();
        await panel.untilRunning();
        await panel.untilText(/The window was reloaded/);
        expect(await vscode.page.locator('.tabs-container .tab', { hasText: 'Linux VM' }).count()).toBe(1);
      } finally {
        await vscode.close();
      }
    } finally {
      await host.stop();
    }
  });

  it('is black on high contrast, and readable for a screen reader', async () => {
    const settings = { 'workbench.colorTheme': 'Default High Contrast', 'editor.accessibilitySupport': 'on', 'linuxVm.openAtStartup': true };
    const host = await startHost('web', { extensions: [extension], settings });
    try {
      const vscode = await VsCode.open(host.url);
      try {
        const panel = await vscode.panel();
        await panel.untilRunning();
        const style = () => panel.frame.evaluate(() => [
          document.body.className, getComputedStyle(document.querySelector('.xterm-scrollable-element')!).backgroundColor,
        ].join());
        await until('the theme', async () => /vscode-high-contrast.*,rgb\(0, 0, 0\)$/.test(await style()));
        await panel.enter('echo for the ear');
        await until('the text for a screen reader', async () => (await panel.frame.locator('.xterm-accessibility-tree').allTextContents()).join().includes('for the ear'));
        await panel.key('Control+Shift+F');
        await panel.frame.locator('.find input').fill('ear');
        await until('a count', async () => /^\d of \d$/.test(await panel.frame.locator('.find .count').textContent() ?? ''));
        await vscode.screenshot('double-high-contrast');
      } finally {
        await vscode.close();
      }
    } finally {
      await host.stop();
    }
  });

  it('cancels a start', async () => {
    const slow = extensionFolder(() => {});
    const dist = join(slow, 'dist');
    // A worker that never says anything.
    const quiet = join(slow, 'quiet.ts');
    writeFileSync(quiet, 'export {};\n');
    await buildInto(dist, ['node', 'web', 'page', 'worker'], { worker: { entryPoints: [quiet] } });
    writeFileSync(join(dist, 'engine.wasm'), Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    mkdirSync(join(dist, 'images/base'), { recursive: true });
    writeFileSync(join(dist, 'images/base/manifest.json'), '{}');
    const host = await startHost('web', { extensions: [slow] });
    try {
      const vscode = await VsCode.open(host.url);
      try {
        await vscode.command('Linux VM: Open Linux VM');
        const panel = await vscode.panel();
        await until('the stage', async () => await panel.cover() === 'Booting');
        await until('the notification', async () => (await vscode.messages()).join().includes('Opening Linux VM'));
        await vscode.press('Cancel');
        await until('no panel', async () => !await vscode.hasPanel());
      } finally {
        await vscode.close();
      }
    } finally {
      await host.stop();
      rmSync(slow, { recursive: true, force: true });
    }
  });

  it('says which file of the VM is missing', async () => {
    const broken = extensionFolder(() => {});
    await buildInto(join(broken, 'dist'), ['node', 'web', 'page', 'worker'], { worker: { entryPoints: [join(root, 'test/harness/doubleWorker.ts')] } });
    const host = await startHost('web', { extensions: [broken] });
    try {
      const vscode = await VsCode.open(host.url);
      try {
        await vscode.command('Linux VM: Open Linux VM');
        const panel = await vscode.panel();
        await until('the error', async () => (await panel.cover()).includes('could not start'));
        expect(await panel.frame.locator('.cover pre').textContent()).toMatch(/(engine\.wasm|manifest\.json): HTTP 404/);
      } finally {
        await vscode.close();
      }
    } finally {
      await host.stop();
      rmSync(broken, { recursive: true, force: true });
    }
  });
});
