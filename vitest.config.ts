import { spawnSync } from 'node:child_process';
import { defineConfig } from 'vitest/config';

/** What needs certificates that `pki/issue.ts` refuses to make: the openssl command makes them, where there is one. */
const withOpenssl = ['identity', 'name-constraints', 'refusals', 'server-certificate', 'verify'];
const openssl = process.env.CI === 'true' || spawnSync('openssl', ['version']).status === 0;
if (!openssl) console.warn(`No openssl command: pki/{${withOpenssl.join(',')}}.test.ts are left out.`);

/** Two suites: `unit` needs nothing but Node; `peers` starts real servers (see conformance/peers). */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{gateway,policies,pki,conformance}/**/*.test.ts'],
          exclude: [
            '**/node_modules/**',
            'conformance/peers/scenarios/**',
            ...(openssl ? [] : withOpenssl.map((name) => `pki/${name}.test.ts`)),
          ],
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
