import { describe, expect, it } from 'vitest';
import { Tally } from './tally.ts';

describe('the tally', () => {
  it('counts by partner, direction and sort', () => {
    const tally = new Tally();
    tally.count('p', 'inbound', 'message');
    tally.count('p', 'inbound', 'message');
    tally.count('p', 'outbound', 'iq');
    tally.count('q', 'inbound', 'lost');
    expect([...tally].filter(({ count }) => count > 0)).toEqual([
      { partner: 'p', direction: 'inbound', what: 'message', count: 2 },
      { partner: 'q', direction: 'inbound', what: 'lost', count: 1 },
      { partner: 'p', direction: 'outbound', what: 'iq', count: 1 },
    ]);
    expect([...tally]).toHaveLength(15);
  });

  it('counts strangers together once there are many names', () => {
    const tally = new Tally();
    for (let n = 0; n < 10_010; n++) tally.count(`p${n}`, 'inbound', 'refused');
    tally.count('p0', 'inbound', 'refused');
    const refused = [...tally].filter(({ what }) => what === 'refused');
    expect(refused).toHaveLength(10_001);
    expect(refused.find(({ partner }) => partner === '(others)')?.count).toBe(10);
    expect(refused.find(({ partner }) => partner === 'p0')?.count).toBe(2);
  });
});
