import { describe, expect, it } from 'vitest';
import { median, quantile } from './median.ts';

describe('A median', () => {
  it.each([
    { values: [3], is: 3 },
    { values: [30, 1, 2], is: 2 },
    { values: [10, 9, 100, 1], is: 10 },
  ])('of $values is $is', ({ values, is }) => {
    expect(median(values)).toBe(is);
  });

  it('of nothing is not a number', () => {
    expect(median([])).toBeNaN();
  });
});

describe('A quantile', () => {
  const hundred = Array.from({ length: 100 }, (_, n) => n + 1);

  it.each([
    { share: 0, is: 1 },
    { share: 0.5, is: 51 },
    { share: 0.99, is: 100 },
    { share: 1, is: 100 },
  ])('of 1 to 100 at $share is $is', ({ share, is }) => {
    expect(quantile(hundred, share)).toBe(is);
  });
});
