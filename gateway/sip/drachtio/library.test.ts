import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { loadLibrary } from './library.ts';
import { DrachtioStack } from './stack.ts';
import { partnerTrunk } from './testing/site.ts';

const { cache } = createRequire(import.meta.url);
const isLoaded = (): boolean => Object.keys(cache).some((file) => file.includes('/drachtio-srf/'));

it('drachtio-srf is loaded when a server is to be reached, and not before', async () => {
  const stack = new DrachtioStack({
    server: { host: '127.0.0.1', port: 9022, secret: () => Promise.resolve(''), peersProvenBy: 'administrator' },
    trunks: [partnerTrunk],
    trust: () => ({ sufficient: false, reason: 'trust-insufficient' }),
    journal: { note: () => undefined, refuse: () => undefined },
  });
  expect(isLoaded()).toBe(false);
  await stack.close();
  const { newSrf } = await loadLibrary();
  expect(newSrf()).toHaveProperty('listen');
  expect(isLoaded()).toBe(true);
});
