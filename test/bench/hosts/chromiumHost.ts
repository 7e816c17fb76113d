/**
 * Ours in headless Chromium as a host of the benchmark driver: `chromiumHost.mjs IMAGE DIST PAGE.JS TIERS [MEMORY-MB]`. A plain page on
 * loopback starts the worker that the extension ships (DIST/worker.js, DIST/engine.wasm) on a chunked image whose login user is root, and
 * runs `bench.sh NAME` on a terminal for each line. The figures are the CPU time of the worker's thread.
 */
import { createReadStream, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { descendants, memoryOf } from '../processes.ts';
import { say, serve } from './driver.ts';
import type { Mark, Result } from './markers.ts';
import type { BenchPage } from './page.ts';

const types: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json', '.wasm': 'application/wasm' };
const html = '<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>benchmarks</title><script src=/page.js></script>';

/** Serves the page, the worker, the engine and the image's files, with ranges. */
function serveFiles(image: string, dist: string, script: string): Promise<Server> {
  const fileOf = (path: string): string | undefined => {
    if (path === '/page.js') return script;
    if (path === '/worker.js' || path === '/engine.wasm') return join(dist, path);
    const name = /^\/image\/([\w-][\w.-]*)$/.exec(path)?.[1];
    return name === undefined ? undefined : join(image, name);
  };
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    if (path === '/') return void response.writeHead(200, { 'Content-Type': 'text/html' }).end(html);
    const file = fileOf(path);
    if (file === undefined || !existsSync(file)) return void response.writeHead(404).end();
    const size = statSync(file).size;
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const start = range ? Number(range[1]) : 0;
    const end = range?.[2] ? Math.min(Number(range[2]), size - 1) : size - 1;
    response.writeHead(range ? 206 : 200, {
      'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Length': end - start + 1, 'Cache-Control': 'no-store',
      ...(range ? { 'Content-Range': `bytes ${start}-${end}/${size}` } : {}),
    });
    createReadStream(file, { start, end }).pipe(response);
  };
  const server = createServer(answer);
  return new Promise(done => server.listen(0, '127.0.0.1', () => done(server)));
}

/** The thread of the page's worker, among all of our Chromium: `pid/task/tid`. */
function workerThread(): string {
  for (const { pid, command } of descendants(process.pid)) {
    if (!command.includes('--type=renderer')) continue;
    for (const tid of readdirSync(`/proc/${pid}/task`)) {
      if (readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').startsWith('DedicatedWorker')) return `${pid}/task/${tid}`;
    }
  }
  throw new Error('Chromium has no thread for the worker');
}

async function main(): Promise<void> {
  const [image = '', dist = '', script = '', tiers = 'jit', memory = '1024'] = process.argv.slice(2);
  const server = await serveFiles(image, dist, script);
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  const page = await browser.newPage();
  let fail: (result: Result) => void = () => {};
  const broken = new Promise<Result>(done => { fail = done; });
  page.on('console', message => void process.stderr.write(`${message.text()}\n`));
  page.on('pageerror', error => fail({ error: `the page failed: ${error.message}` }));
  page.on('crash', () => fail({ error: 'the page crashed' }));
  let thread = '';
  await page.exposeFunction('mark', (): Mark => ({ wall: performance.now(), cpu: Number(readFileSync(`/proc/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e9 }));
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const boot = await bootPage(page, tiers, Number(memory));
  thread = workerThread();
  const pid = Number(thread.split('/')[0]);
  const mounted = await page.evaluate(async () => (globalThis as unknown as BenchPage).run(['mount', '-t', 'tmpfs', 'tmpfs', '/tmp']));
  if (mounted.code !== 0) throw new Error(`no tmpfs at /tmp: ${mounted.output}`);
  say({ boot: boot / 1000, rss: memoryOf(pid).rss * 1e6, version: `Chromium ${browser.version()}` });
  await serve(async (name, milliseconds) => {
    // The page's own timer fires however busy the worker is; this one is for a page that is gone.
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Result>(done => { timer = setTimeout(() => done({ error: 'timeout, and the page answers no more' }), milliseconds + 3000); });
    const run = page.evaluate(async ([n, t]) => (globalThis as unknown as BenchPage).bench(n, t), [name, milliseconds] as const)
      .catch((error: Error): Result => ({ error: error.message.split('\n')[0]! }));
    const result = await Promise.race([run, late, broken]);
    clearTimeout(timer);
    return existsSync(`/proc/${pid}`) ? { ...result, rss: memoryOf(pid).rss * 1e6 } : result;
  });
  await browser.close();
  process.exit(0);
}

/** Boots the machine in the page; milliseconds. */
function bootPage(page: Page, tiers: string, megabytes: number): Promise<number> {
  return page.evaluate(async ([t, m]) => {
    const at = (path: string): string => new URL(path, location.href).href;
    return (globalThis as unknown as BenchPage).boot({
      image: at('/image/'), engine: at('/engine.wasm'), worker: at('/worker.js'), memory: m * 2 ** 20, tiers: t as 'jit' | 'interpreter',
    });
  }, [tiers, megabytes] as const);
}

main().catch((error: unknown) => {
  say({ error: error instanceof Error ? error.message : String(error) });
  process.exit(1);
});
