import { describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { soak } from '../soak.ts';

/** A short one; `npm run soak` is the real one, and judges memory too. */
describe.runIf(requirePeers('prosody'))('A soak', () => {
  it('leaves nothing behind, and all is accounted for', async () => {
    const { failures, visits, cuts, resumptions, signIns } = await soak({ seconds: 15, rate: 300, tell: () => {} });
    expect(failures).toEqual([]);
    expect(visits).toBe(15);
    expect([cuts, resumptions, signIns]).toEqual([2, 3, 2]);
  });
});
