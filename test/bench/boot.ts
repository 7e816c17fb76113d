/**
 * A person's start: from the command in the palette of real VS Code for the Web (local server, headless Chromium) to the prompt on the
 * screen, with a browser that has nothing of it yet and with one that has started it before; and what the VM then takes at rest.
 */
import type { Frame } from 'playwright-core';
import { spawn } from 'node:child_process';
import { root } from '../harness/run.ts';
import { VsCode, until } from '../harness/vscode.ts';
import { startHost } from '../harness/vscodeHosts.ts';
import { headless } from '../harness/vm.ts';
import { descendants, memoryOf, rest, seconds, type Figure } from './processes.ts';

/** In each frame: when the panel's stages and the prompt came on the screen, in milliseconds since 1970. */
function watchStages(): void {
  const marks: Record<string, number> = {};
  Object.assign(globalThis, { startMarks: marks });
  const look = (): void => {
    const cover = document.querySelector<HTMLElement>('.cover');
    // Where the page's own time begins: before it, VS Code makes the webview and its service worker.
    if (cover) marks['page'] ??= performance.timeOrigin;
    if (cover) marks[cover.hidden ? 'running' : cover.querySelector('h1')?.textContent ?? ''] ??= Date.now();
    if (/\$ *$/.test((document.querySelector('.screen:not([hidden]) .xterm-rows')?.textContent ?? '').replaceAll('\u00a0', ' ').trimEnd())) {
      marks['prompt'] ??= Date.now();
      // What watches costs time itself.
      clearInterval(timer);
    }
  };
  const timer = setInterval(look, 4);
  setTimeout(() => clearInterval(timer), 30_000);
}

type Marks = Record<string, number>;

async function marksOf(frame: Frame): Promise<Marks> {
  return frame.evaluate(() => {
    const page = globalThis as unknown as { startMarks: Marks };
    return page.startMarks;
  });
}

/** Opens the panel by its command, and answers the milliseconds from there to each stage. */
async function start(vscode: VsCode): Promise<Marks> {
  let chosen = 0;
  await vscode.command('Linux VM: Open Linux VM', () => { chosen = Date.now(); });
  const marks = await until('the prompt', async () => {
    const found = await marksOf((await vscode.panel(120)).frame);
    return found['prompt'] !== undefined && found;
  }, 120);
  return Object.fromEntries(Object.entries(marks).map(([stage, at]) => [stage, at - chosen]));
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

function show(name: string, marks: Marks): void {
  console.log(`${name}: ${Object.entries(marks).sort((a, b) => a[1] - b[1]).map(([stage, ms]) => `${stage} ${ms}`).join(', ')} ms`);
}

async function browser(url: string): Promise<VsCode> {
  return VsCode.open(url, context => context.addInitScript(watchStages));
}

/** Closes the panel and waits until a new one could be opened. */
async function close(vscode: VsCode): Promise<void> {
  await vscode.command('Linux VM: Close Linux VM');
  await until('no panel', async () => !await vscode.hasPanel());
  await seconds(1);
}

/**
 * Boots `repeats` times in fresh profiles, and as often again in the same window. Of each, from the command to the prompt, and from the
 * page's beginning to the prompt: what comes before is VS Code's, up to two seconds where it registers the webview's service worker anew.
 */
export async function bootFigures(repeats = 5): Promise<Figure[]> {
  const host = await startHost('web', { extensions: [root] });
  const starts: Record<string, Marks[]> = { 'not cached': [], cached: [] };
  const measure = async (vscode: VsCode, name: string): Promise<void> => {
    const marks = await start(vscode);
    show(name, marks);
    starts[name]!.push(marks);
  };
  try {
    for (let i = 0; i < repeats; i++) {
      const vscode = await browser(host.url);
      await seconds(2);
      await measure(vscode, 'not cached');
      await close(vscode);
      await measure(vscode, 'cached');
      await vscode.close();
    }
  } finally {
    await host.stop();
  }
  return Object.entries(starts).flatMap(([name, list]) => [
    { name: `boot in Chromium, ${name}: command to prompt (median of ${repeats})`, value: median(list.map(marks => marks['prompt']!)) / 1000, unit: 's' },
    {
      name: `boot in Chromium, ${name}: the page's part`, value: median(list.map(marks => marks['prompt']! - marks['page']!)) / 1000, unit: 's',
      goal: name === 'not cached' ? 3 : 1,
    },
  ]);
}

/** An idle prompt in Chromium: the renderer process that grew most when the panel opened, for Chromium keeps spare ones. */
async function chromiumFigures(): Promise<Figure[]> {
  const host = await startHost('web', { extensions: [root] });
  try {
    // Without a watch in the page, which would not rest.
    const vscode = await VsCode.open(host.url);
    try {
      await seconds(5);
      const renderers = (): Map<number, number> => new Map(descendants(process.pid).filter(p => p.command.includes('--type=renderer')).map(p => [p.pid, memoryOf(p.pid).pss]));
      const before = renderers();
      await vscode.command('Linux VM: Open Linux VM');
      await (await vscode.panel()).untilText(/\$ *$/, 60);
      await seconds(10);
      const grown = [...renderers()].map(([pid, pss]) => ({ pid, by: pss - (before.get(pid) ?? 0) })).sort((a, b) => b.by - a.by);
      return await rest('idle VM, Chromium (the panel\'s renderer)', [grown[0]!.pid]);
    } finally {
      await vscode.close();
    }
  } finally {
    await host.stop();
  }
}

/** An idle prompt on a terminal of script(1). */
async function nodeFigures(): Promise<Figure[]> {
  const child = spawn('script', ['-qec', `${process.execPath} ${headless}`, '/dev/null'], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    let said = '';
    child.stdout.on('data', (data: Buffer) => { said += data.toString('latin1'); });
    await until('the prompt', () => Promise.resolve(/\$ \x1b?[^\n]*$/.test(said)));
    await seconds(10);
    const vm = descendants(child.pid!).find(p => p.command.includes(headless) && !p.command.startsWith('sh'))!;
    return await rest('idle VM, Node', [vm.pid]);
  } finally {
    child.stdin.end('exit\n');
    await new Promise(resolve => child.once('exit', resolve));
  }
}

export async function idleFigures(): Promise<Figure[]> {
  return [...await nodeFigures(), ...await chromiumFigures()];
}

/** Prints figures beside their goals. */
export function showFigures(figures: readonly Figure[]): void {
  console.log('| figure | value | unit | goal |\n| --- | --- | --- | --- |');
  for (const { name, value, unit, goal } of figures) console.log(`| ${name} | ${value.toFixed(2)} | ${unit} | ${goal === undefined ? '' : `at most ${goal}${value > goal ? ', MISSED' : ''}`} |`);
}
