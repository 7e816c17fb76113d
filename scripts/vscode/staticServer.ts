/** Serves VS Code for the Web with extensions in it, on 127.0.0.1: ranges and CORS as a CDN has them. */
import { createReadStream, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import type { WebBuild } from './webBuild.ts';

export interface StaticOptions {
  readonly build: WebBuild;
  /** The extensions' folders; their files are read anew at each request, so a reload of the page takes a new build. */
  readonly extensions: readonly string[];
  /** 0 for any free one. */
  readonly port: number;
  /** Webviews and extension host on the page's own origin; else on origins of their own, as on vscode.dev. */
  readonly sameOrigin: boolean;
  /** Default values of settings. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface Served {
  /** Ends in a slash. */
  readonly url: string;
  stop(): Promise<void>;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.json': 'application/json',
  '.wasm': 'application/wasm', '.svg': 'image/svg+xml', '.png': 'image/png', '.ttf': 'font/ttf', '.ico': 'image/x-icon', '.md': 'text/markdown',
};

/** Rejects with the server's error, EADDRINUSE for a port that is taken. */
export function serveStatic(options: StaticOptions): Promise<Served> {
  return new Promise((done, failed) => {
    const server = createServer((request, response) => answer(options, (server.address() as AddressInfo).port, request, response));
    server.once('error', failed);
    server.listen(options.port, '127.0.0.1', () => done({
      url: `http://localhost:${(server.address() as AddressInfo).port}/`,
      stop: () => new Promise(stopped => {
        server.close(() => stopped());
        server.closeAllConnections();
      }),
    }));
  });
}

function answer(options: StaticOptions, port: number, request: IncomingMessage, response: ServerResponse): void {
  const path = requestPath(request);
  const headers: Record<string, string | number> = {
    'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': '*', 'Access-Control-Expose-Headers': '*',
    'Cross-Origin-Resource-Policy': 'cross-origin',
  };
  if (request.method === 'OPTIONS') return void response.writeHead(204, headers).end();
  if (path === '/') return void response.writeHead(200, { ...headers, 'Content-Type': 'text/html', 'Cache-Control': 'no-store' }).end(page(options, port));
  if (path?.startsWith('/static/')) {
    const name = path.slice('/static/'.length);
    const text = options.build.replaced.get(name);
    // VS Code's own files never change under one commit.
    headers['Cache-Control'] = 'max-age=86400';
    if (text !== undefined) return void response.writeHead(200, { ...headers, 'Content-Type': 'text/javascript' }).end(text);
    return sendFile(join(options.build.folder, name), headers, request, response);
  }
  const own = /^\/extension\/(\d+)\/(.*)$/.exec(path ?? '');
  const folder = own ? options.extensions[Number(own[1])] : undefined;
  if (own && folder !== undefined) {
    headers['Cache-Control'] = 'no-cache';
    return sendFile(join(folder, own[2]!), headers, request, response);
  }
  response.writeHead(404, headers).end();
}

/** The request's path without `..`, or undefined if it isn't one. */
function requestPath(request: IncomingMessage): string | undefined {
  try {
    return normalize(decodeURIComponent(new URL(request.url ?? '', 'http://localhost').pathname)).replaceAll('\\', '/');
  } catch {
    return undefined;
  }
}

function sendFile(file: string, headers: Record<string, string | number>, request: IncomingMessage, response: ServerResponse): void {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) return void response.writeHead(404, headers).end();
  headers['Content-Type'] = types[extname(file)] ?? 'application/octet-stream';
  headers['Accept-Ranges'] = 'bytes';
  // A validator lets the browser keep a compiled wasm module with its code.
  headers['ETag'] = `"${stat.size.toString(36)}-${stat.mtimeMs.toString(36)}"`;
  if (request.headers['if-none-match'] === headers['ETag']) return void response.writeHead(304, headers).end();
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = range ? Number(range[1]) : 0;
  const end = range?.[2] ? Math.min(Number(range[2]), stat.size - 1) : stat.size - 1;
  if (range && start > end) return void response.writeHead(416, { ...headers, 'Content-Range': `bytes */${stat.size}` }).end();
  if (range) headers['Content-Range'] = `bytes ${start}-${end}/${stat.size}`;
  headers['Content-Length'] = end - start + 1;
  response.writeHead(range ? 206 : 200, headers);
  if (request.method === 'HEAD' || stat.size === 0) return void response.end();
  createReadStream(file, { start, end }).on('error', () => response.destroy()).pipe(response);
}

function page(options: StaticOptions, port: number): string {
  const own = options.sameOrigin ? `http://localhost:${port}` : `http://{{uuid}}.localhost:${port}`;
  const configuration = {
    productConfiguration: {
      enableTelemetry: false, commit: options.build.commit, quality: 'stable',
      webEndpointUrlTemplate: `${own}/static`,
      webviewContentExternalBaseUrlTemplate: `${own}/static/out/vs/workbench/contrib/webview/browser/pre/`,
    },
    additionalBuiltinExtensions: options.extensions.map((_, index) => ({ scheme: 'http', authority: `localhost:${port}`, path: `/extension/${index}` })),
    configurationDefaults: options.settings,
  };
  const values: Readonly<Record<string, string>> = {
    WORKBENCH_WEB_CONFIGURATION: attribute(JSON.stringify(configuration)), WORKBENCH_WEB_BASE_URL: '/static', WORKBENCH_SCRIPT_NONCE: 'static',
    WORKBENCH_NLS_URL: '/static/out/nls.messages.js', WORKBENCH_NLS_FALLBACK_URL: '/static/out/nls.messages.js',
  };
  return options.build.page.replace(/\{\{([A-Z_]+)\}\}/g, (_, name: string) => values[name] ?? '');
}

function attribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
}
