import { describe, expect, it } from 'vitest';
import type { PartnerPolicy } from '../../policies/partner.ts';
import { CallLimits } from './call-limits.ts';

const silent = (name: string) => ({ name, calls: { limits: {} } }) as unknown as PartnerPolicy; // what is not read here is left out

describe('the calls of a partner whose policy says no number', () => {
  it('are bounded all the same, and take no place of others', () => {
    const limits = new CallLimits(() => 0);
    const made = Array.from({ length: 2_001 }, (_, n) => limits.reserve(silent('m.example'), `u${n}@m.example`));
    expect(made.filter((one) => 'verdict' in one)).toMatchObject([{ verdict: 'refuse', reason: 'calls-concurrent' }]);
    expect(limits.reserve(silent('p.example'), 'bob@p.example')).toHaveProperty('release');
  });
});
