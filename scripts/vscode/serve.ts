/** `npm start`'s last step: VS Code for the Web with the built extension in it, until Ctrl+C. Arguments: PORT. */
import { resolve } from 'node:path';
import { getCodeServer } from './codeServer.ts';
import { calmSettings } from './settings.ts';
import { serveStatic } from './staticServer.ts';
import { readWebBuild } from './webBuild.ts';

const root = resolve(process.argv[2] ?? '.');
const port = Number(process.argv[3] ?? 8139);
const { vscode } = await getCodeServer(resolve(root, '.cache/vscode'), console.log);
try {
  const { url } = await serveStatic({
    build: readWebBuild(vscode), extensions: [root], port, sameOrigin: true,
    settings: { ...calmSettings, 'linuxVm.openAtStartup': true },
  });
  console.log(`\nVS Code with the Linux VM: ${url}\n(Ctrl+C ends it. After another "npm run build", reload the page.)`);
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
  console.error(`Port ${port} is taken; use another: npm start -- --port=N`);
  process.exitCode = 1;
}
