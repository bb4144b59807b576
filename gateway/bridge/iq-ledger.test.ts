import { describe, expect, it } from 'vitest';
import { address } from '../../policies/policy.fixture.ts';
import { IqLedger } from './iq-ledger.ts';

const ann = address('ann@h.example/x');
const bob = address('bob@p.example/y');
const LIFETIME = 5 * 60_000;

describe('the ledger of IQs', () => {
  it('lets an answer through once', () => {
    const ledger = new IqLedger();
    ledger.opened('p', ann, bob, '1', 0);
    expect(ledger.answered('p', bob, ann, '1', LIFETIME - 1)).toBe(true);
    expect(ledger.answered('p', bob, ann, '1', LIFETIME - 1)).toBe(false);
  });

  it.each([
    ['another id', 'p', bob, ann, '2', 0],
    ['the wrong way round', 'p', ann, bob, '1', 0],
    ['another resource', 'p', address('bob@p.example/z'), ann, '1', 0],
    ['no resource', 'p', address('bob@p.example'), ann, '1', 0],
    ['another partner', 'q', bob, ann, '1', 0],
    ['too late', 'p', bob, ann, '1', LIFETIME],
  ])('knows no request for %s', (_case, partner, from, to, id, now) => {
    const ledger = new IqLedger();
    ledger.opened('p', ann, bob, '1', 0);
    expect(ledger.answered(partner, from, to, id, now)).toBe(false);
  });

  it('knows users in any spelling, and ids of any length apart', () => {
    const ledger = new IqLedger();
    const long = 'x'.repeat(100_000);
    ledger.opened('p', address('ANN@H.example/x'), bob, `${long}1`, 0);
    expect(ledger.answered('p', bob, ann, `${long}2`, 0)).toBe(false);
    expect(ledger.answered('p', bob, ann, `${long}1`, 0)).toBe(true);
  });

  it('forgets the oldest of one partner, and none of another', () => {
    const ledger = new IqLedger();
    ledger.opened('q', ann, bob, 'q', 0);
    for (let n = 0; n <= 10_000; n++) ledger.opened('p', ann, bob, String(n), 0);
    const answered = ['0', '1', '10000'].map((id) => ledger.answered('p', bob, ann, id, 0));
    expect(answered).toEqual([false, true, true]);
    expect(ledger.answered('q', bob, ann, 'q', 0)).toBe(true);
  });

  it('renews a request that is sent again, and forgets partners that are none any more', () => {
    const ledger = new IqLedger();
    ledger.opened('p', ann, bob, '1', 0);
    ledger.opened('p', ann, bob, '1', LIFETIME - 1);
    expect(ledger.answered('p', bob, ann, '1', LIFETIME)).toBe(true);
    ledger.opened('p', ann, bob, '1', LIFETIME);
    ledger.retain(new Set());
    expect(ledger.answered('p', bob, ann, '1', LIFETIME)).toBe(false);
  });
});
