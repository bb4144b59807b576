import { describe, expect, it } from 'vitest';
import { glareDelay, overlapDelay } from './glare.ts';
import { refusalOfOffer } from './offer-answer.ts';

const random = (fraction: number) => ({ token: () => '', fraction: () => fraction });
const most = 1 - Number.EPSILON;

describe('the wait after a glare', () => {
  it.each([
    [true, 0, 2_100],
    [true, most, 4_000],
    [true, 0.123, 2_330],
    [false, 0, 0],
    [false, most, 2_000],
    [false, 0.123, 240],
  ])('with the Call-ID ours (%s) and a random %d is %d ms', (ours, fraction, ms) => {
    expect(glareDelay(ours, random(fraction))).toBe(ms);
  });

  it('behind an overlapping INVITE is 0 to 10 s', () => {
    expect([0, 0.5, most].map((fraction) => overlapDelay(random(fraction)))).toEqual([0, 5, 10]);
  });
});

describe('an offer of the peer', () => {
  it.each([
    ['settled', undefined],
    ['ours', 491],
    ['theirs', 500],
  ] as const)('while what is open is %s gets %s', (state, status) => {
    expect(refusalOfOffer(state)).toBe(status);
  });
});
