import { describe, expect, it } from 'vitest';
import { figure, figureAtLeast, rounded } from './figure.ts';

describe('A figure', () => {
  it('is held to its target before it is rounded', () => {
    expect(figure('hop', 1.4004, 'ratio', 1.4)).toEqual({
      name: 'hop',
      value: 1.4,
      unit: 'ratio',
      target: 1.4,
      met: false,
    });
    expect(figure('hop', 1.4, 'ratio', 1.4).met).toBe(true);
  });

  it('may have a target to reach', () => {
    expect(figureAtLeast('rate', 600, 'calls/s', 600)).toMatchObject({ target: 600, least: true, met: true });
    expect(figureAtLeast('rate', 599.9, 'calls/s', 600).met).toBe(false);
    expect(figureAtLeast('rate', Number.NaN, 'calls/s', 600).met).toBe(false);
  });

  it('that could not be measured meets no target', () => {
    expect(figure('hop', Number.NaN, 'ratio', 2).met).toBe(false);
  });

  it('without a target is neither met nor missed', () => {
    expect(figure('hop', 5, 'ms')).toMatchObject({ target: null, met: null });
  });

  it.each([
    [0.123456, 0.123],
    [12.3456, 12.3],
    [999.6, 1000],
    [123_456.7, 123_457],
    [-0.0123456, -0.0123],
    [0, 0],
  ])('shows %d as %d', (value, shown) => {
    expect(rounded(value)).toBe(shown);
  });
});
