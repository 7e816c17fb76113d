import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['webview/**/*.test.ts', 'src/**/*.test.ts', 'images/**/*.test.ts', 'test/**/*.test.ts'],
    maxWorkers: 2,
    testTimeout: 60_000,
  },
});
