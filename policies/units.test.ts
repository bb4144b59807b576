import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duration, money, parseDuration, parseMoney, parseRate, parseSize, rate, size } from './units.ts';

describe('a rate', () => {
  it.each([
    ['50/s', 50, 1_000, 50],
    ['30/min', 30, 60_000, 0.5],
    ['5/h', 5, 3_600_000, 5 / 3_600],
    ['200/day', 200, 86_400_000, 200 / 86_400],
    ['1 / s', 1, 1_000, 1],
  ])('%s is %d in %d ms', (text, count, periodMs, perSecond) => {
    expect(parseRate(text)).toEqual({ value: { count, periodMs, perSecond } });
  });

  it.each([
    ['50', '`50` is no rate'],
    ['0/s', '`0/s` is no rate'],
    ['1000001/s', '`1000001/s` is no rate'],
    ['-1/s', '`-1/s` is no rate'],
    ['5/sec', '`sec` is no unit here: did you mean `s`?'],
    ['5/minute', '`minute` is no unit here: did you mean `min`?'],
    ['5/constructor', '`constructor` is no unit here'],
  ])('%s is refused: %s', (text, problem) => {
    expect(parseRate(text)).toMatchObject({ problem });
  });
});

describe('a duration', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['10min', 600_000],
    ['4h', 14_400_000],
    ['7d', 604_800_000],
  ])('%s is %d ms', (text, value) => {
    expect(parseDuration(text)).toEqual({ value });
  });

  it.each([
    ['30', '`30` is no duration'],
    ['0.0001s', '`0.0001s` is no duration'],
    ['0.5ms', '`0.5ms` is no duration'],
    ['3m', '`m` is no unit here: did you mean `ms`?'],
    ['3hours', '`hours` is no unit here: did you mean `h`?'],
    ['', '`` is no duration'],
  ])('%j is refused: %s', (text, problem) => {
    expect(parseDuration(text)).toMatchObject({ problem });
  });

  it('keeps its bounds and names them', () => {
    const bounded = duration('1s', '1h');
    expect(bounded.parse('1s')).toBe(1_000);
    expect(bounded.parse('60min')).toBe(3_600_000);
    for (const text of ['999ms', '61min']) {
      expect(bounded.safeParse(text).error?.issues[0]).toMatchObject({
        params: { remedy: 'choose a duration from 1s to 1h' },
      });
    }
  });
});

describe('a size', () => {
  it.each([
    ['262144', 262_144],
    ['256KiB', 262_144],
    ['256 KiB', 262_144],
    ['1MiB', 1_048_576],
    ['1.5KiB', 1_536],
    ['1GiB', 1_073_741_824],
    ['10B', 10],
  ])('%s is %d bytes', (text, value) => {
    expect(parseSize(text)).toEqual({ value });
  });

  it.each(['1.5', '-5', '1KB', '1e3', '1.0001KiB', 'KiB'])('%s is refused', (text) => {
    expect(parseSize(text)).toHaveProperty('problem');
  });

  it('may be a number of YAML', () => {
    const bounded = size('1B', '1MiB');
    expect(bounded.parse(4_096)).toBe(4_096);
    for (const value of [0, -1, 1.5, Number.NaN, 1_048_577, true, null])
      expect(bounded.safeParse(value).success).toBe(false);
  });
});

describe('money', () => {
  it.each([
    ['20 EUR', 20, 'EUR'],
    ['0.50 USD', 0.5, 'USD'],
    ['7CHF', 7, 'CHF'],
  ])('%s is %d %s', (text, amount, currency) => {
    expect(parseMoney(text)).toEqual({ value: { amount, currency } });
    expect(money.parse(text)).toEqual({ amount, currency });
  });

  it.each(['20', '20 eur', 'EUR 20', '-1 EUR', '1.005 EUR'])('%s is refused', (text) => {
    expect(parseMoney(text)).toHaveProperty('problem');
  });
});

it('units read any text without throwing, and give finite numbers only', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{1,30}(\.\d{1,5})?[\s/]?[A-Za-z]{0,4}$/)), (text) => {
      for (const read of [parseDuration, parseSize]) {
        const measured = read(text);
        if ('value' in measured) expect(Number.isSafeInteger(measured.value) && measured.value >= 0).toBe(true);
      }
      const measured = rate.safeParse(text);
      if (measured.success) expect(measured.data.perSecond).toBeGreaterThan(0);
    }),
  );
});
