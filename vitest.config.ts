import { defineConfig } from 'vitest/config';

/** Two suites: `unit` needs nothing but Node; `peers` starts real servers (see conformance/peers). */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{gateway,policies,pki,conformance}/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'conformance/peers/scenarios/**'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'peers',
          include: ['conformance/peers/scenarios/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
