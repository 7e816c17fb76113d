import { defineConfig } from 'vitest/config';

/** `unit`: beside the code, and what crosses modules without a disk image. `programs`: real programs in the VM. `e2e`: real VS Code. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      { test: { name: 'unit', include: ['webview/**/*.test.ts', 'src/**/*.test.ts', 'images/**/*.test.ts', 'test/{bench,engine,fs,kernel,fuzz,harness}/**/*.test.ts'], testTimeout: 120_000 } },
      { test: { name: 'programs', include: ['test/programs/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 300_000, fileParallelism: false } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 300_000, fileParallelism: false } },
    ],
  },
});
