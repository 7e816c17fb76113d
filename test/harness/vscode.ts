/** A person at VS Code: Chromium driven by Playwright, the command palette, the panel's terminals, the explorer, editors. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Frame, type Page } from 'playwright-core';
import { root } from './run.ts';

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** Until `look` answers something true; its answer. Errors meanwhile don't count. Throws with `what` after `seconds`. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false | null>, seconds = 30): Promise<T> {
  let last: unknown;
  for (const end = Date.now() + seconds * 1000; ;) {
    try {
      const found = await look();
      if (found) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}${last ? ` (${last instanceof Error ? last.message.split('\n')[0] : last})` : ''}`);
    await new Promise(done => setTimeout(done, 50));
  }
}

export class VsCode {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly #profile: string;

  private constructor(context: BrowserContext, page: Page, profile: string) {
    this.context = context;
    this.page = page;
    this.#profile = profile;
  }

  /** A fresh browser on a host's URL, with the workbench up. `prepare` comes before the page. */
  static async open(url: string, prepare: (context: BrowserContext) => Promise<unknown> = async () => {}): Promise<VsCode> {
    if (!existsSync(executablePath)) throw new Error('Chromium is needed: apt-get install chromium (or CHROMIUM=FILE)');
    const profile = mkdtempSync(join(tmpdir(), 'terrarium-chromium-'));
    // A headless browser with a fresh profile refuses the service worker of a webview on an origin of its own.
    mkdirSync(join(profile, 'Default'));
    writeFileSync(join(profile, 'Default/Preferences'), JSON.stringify({ profile: { cookie_controls_mode: 0, block_third_party_cookies: false } }));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath, headless: true, viewport: { width: 1280, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'],
      args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    await prepare(context);
    const page = context.pages()[0] ?? await context.newPage();
    const vscode = new VsCode(context, page, profile);
    await page.goto(url);
    await vscode.untilWorkbench();
    return vscode;
  }

  async untilWorkbench(): Promise<void> {
    await this.page.waitForSelector('.monaco-workbench .part.statusbar', { timeout: 60_000 });
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.untilWorkbench();
  }

  async close(): Promise<void> {
    await this.context.close();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Runs a command by its title in the palette. `chosen` is called right before its row is clicked. */
  async command(title: string, chosen: () => void = () => {}): Promise<void> {
    const input = this.page.locator('.quick-input-widget .quick-input-box input').first();
    await until(`command ${title}`, async () => {
      await this.page.locator('.monaco-workbench').first().evaluate(workbench => (workbench as HTMLElement).focus());
      await this.page.keyboard.press('F1');
      await input.waitFor({ state: 'visible', timeout: 3000 });
      await input.fill(`>${title}`);
      const row = this.page.locator(`.quick-input-list .monaco-list-row[aria-label="${title}"], .quick-input-list .monaco-list-row[aria-label^="${title},"]`).first();
      try {
        await row.waitFor({ timeout: 4000 });
      } catch (error) {
        await this.page.keyboard.press('Escape');
        throw error;
      }
      chosen();
      await row.click();
      return true;
    }, 40);
  }

  /** The panel's page. */
  panel(seconds = 60): Promise<Panel> {
    return until('the panel', async () => {
      for (const frame of this.page.frames()) {
        if (/\/fake\.html/.test(frame.url()) && await frame.evaluate(() => document.querySelector('.bar .tabs') !== null)) return new Panel(this, frame);
      }
      return undefined;
    }, seconds);
  }

  async hasPanel(): Promise<boolean> {
    return await this.page.locator('.tabs-container .tab', { hasText: 'Linux VM' }).count() > 0;
  }

  /** Texts of the notifications and dialogs on the screen. */
  messages(): Promise<string[]> {
    return this.page.evaluate(() => [...document.querySelectorAll('.notification-list-item-message, .monaco-dialog-box .dialog-message-text')].map(e => e.textContent ?? ''));
  }

  /** Presses a button of a dialog or notification. */
  async press(button: string): Promise<void> {
    await this.page.locator('.monaco-dialog-box .monaco-button, .notification-list-item .monaco-button', { hasText: button }).first().click();
  }

  /** Rows of the view "Linux VM", shown first if it isn't. */
  async tree(): Promise<string[]> {
    const header = this.page.locator('.pane-header', { hasText: 'Linux VM' }).first();
    if (!await header.count() || !await header.isVisible()) await this.command('View: Show Explorer');
    await header.waitFor();
    if (await header.getAttribute('aria-expanded') === 'false') await header.click();
    // Rows below the edge aren't in the document: give the view all the room.
    for (const other of await this.page.locator('.split-view-view .pane-header[aria-expanded="true"]').filter({ hasNotText: 'Linux VM' }).all()) {
      if (await other.getAttribute('aria-expanded') === 'true') await other.click();
    }
    return this.page.locator('.pane', { has: this.page.locator('.pane-header', { hasText: 'Linux VM' }) }).last()
      .locator('.monaco-list-row .label-name').allTextContents();
  }

  /** The row of the view "Linux VM" with that name. */
  treeRow(name: string) {
    return this.page.locator('.pane', { has: this.page.locator('.pane-header', { hasText: 'Linux VM' }) }).last()
      .locator('.monaco-list-row', { has: this.page.locator('.label-name', { hasText: new RegExp(`^${name.replaceAll('.', '\\.')}$`) }) }).first();
  }

  /** Opens a directory's row of the view. */
  async expand(name: string): Promise<void> {
    const row = this.treeRow(name);
    await row.waitFor();
    if (await row.getAttribute('aria-expanded') !== 'true') await row.locator('.monaco-tl-twistie').click();
  }

  /** Text of the active editor as it is on the screen. */
  async editorText(): Promise<string> {
    const lines = await this.page.locator('.editor-instance .view-lines .view-line').allTextContents();
    return lines.join('\n').replaceAll('\u00a0', ' ');
  }

  /** Into build/e2e/NAME.png; answers the path. */
  async screenshot(name: string): Promise<string> {
    const path = join(root, 'build/e2e', `${name}.png`);
    await this.page.screenshot({ path });
    return path;
  }
}

export class Panel {
  readonly #vscode: VsCode;
  readonly frame: Frame;

  constructor(vscode: VsCode, frame: Frame) {
    this.#vscode = vscode;
    this.frame = frame;
  }

  /** The shown terminal's lines, without trailing blanks. */
  async lines(): Promise<string[]> {
    return this.frame.evaluate(() => [...document.querySelectorAll('.screen:not([hidden]) .xterm-rows > div')]
      .map(row => (row.textContent ?? '').replaceAll('\u00a0', ' ').trimEnd()));
  }

  async text(): Promise<string> {
    return (await this.lines()).join('\n').trimEnd();
  }

  async untilText(what: RegExp, seconds = 30): Promise<string> {
    let text = '';
    try {
      await until(`${what} in the terminal`, async () => {
        text = await this.text();
        return what.test(text);
      }, seconds);
      return text;
    } catch (error) {
      throw new Error(`${(error as Error).message}; on the screen is:\n${text}`);
    }
  }

  async focus(): Promise<void> {
    await this.frame.locator('.screen:not([hidden]) .xterm-helper-textarea').focus();
  }

  async type(text: string): Promise<void> {
    await this.focus();
    await this.#vscode.page.keyboard.type(text);
  }

  /** Types a line and Enter. */
  async enter(line: string): Promise<void> {
    await this.type(line);
    await this.#vscode.page.keyboard.press('Enter');
  }

  async key(key: string): Promise<void> {
    await this.focus();
    await this.#vscode.page.keyboard.press(key);
  }

  tabs(): Promise<string[]> {
    return this.frame.locator('.tabs .tab .name').allTextContents();
  }

  /** The heading over the terminals while the VM doesn't run; empty while it runs. */
  async cover(): Promise<string> {
    return this.frame.evaluate(() => {
      const cover = document.querySelector<HTMLElement>('.cover');
      return cover && !cover.hidden ? cover.querySelector('h1')?.textContent ?? '' : '';
    });
  }

  async untilRunning(seconds = 60): Promise<void> {
    await until('a running VM', async () => await this.cover() === '', seconds);
  }
}
