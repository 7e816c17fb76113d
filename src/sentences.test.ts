import { expect, it, vi } from 'vitest';

vi.mock('vscode', () => import('../test/harness/fakeVscode.ts'));
const vscode = await import('vscode');
const { fileSentence, localised } = await import('./sentences.ts');

it('speaks the language of VS Code, with the arguments in their places', () => {
  const german: Record<string, string> = { "{0} can't be started: {1}.": '{0} kann nicht gestartet werden: {1}.', 'Permission denied': 'Keine Berechtigung' };
  const spy = vi.spyOn(vscode.l10n, 't') as unknown as ReturnType<typeof vi.fn>;
  spy.mockImplementation((text: string, ...args: string[]) => (german[text] ?? text).replace(/\{(\d)\}/g, (_, index: string) => args[Number(index)]!));
  expect(localised({ text: "{0} can't be started: {1}.", args: ['vi', 'ENOENT'] })).toBe('vi kann nicht gestartet werden: ENOENT.');
  expect(fileSentence({ kind: 'NoPermissions', errno: 'EACCES', path: '/root/a' })).toBe('Keine Berechtigung (EACCES): /root/a');
  expect(fileSentence({ kind: 'Other', errno: 'EXYZ', path: '/a' })).toBe('The operation failed (EXYZ): /a');
});
