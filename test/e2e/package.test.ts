/** The package that people install: made, within its limits, installed in code-server, and running there. */
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../harness/run.ts';
import { VsCode } from '../harness/vscode.ts';
import { installVsix, startHost } from '../harness/vscodeHosts.ts';

it('is made, installs and shows a prompt', async () => {
  const said = execFileSync(process.execPath, [join(root, 'scripts/package.mjs')], { cwd: root, encoding: 'utf8' });
  const vsix = /^(.*\.vsix): \d+ files, [\d.]+ MB$/m.exec(said)?.[1];
  expect(vsix, said).toBeDefined();
  const extensions = await installVsix(vsix!);
  try {
    expect(readdirSync(extensions).filter(name => name.startsWith('terrarium.linux-vm'))).toHaveLength(1);
    const host = await startHost('node', { extensions: [], installed: extensions });
    try {
      const vscode = await VsCode.open(host.url);
      try {
        await vscode.command('Linux VM: Open Linux VM');
        const panel = await vscode.panel();
        await panel.untilRunning(120);
        await panel.untilText(/\$ *$/, 60);
      } finally {
        await vscode.close();
      }
    } finally {
      await host.stop();
    }
  } finally {
    rmSync(dirname(extensions), { recursive: true, force: true });
  }
});
