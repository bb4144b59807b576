/** One measured number, with the bound it is held to where there is one: a row of `npm run bench`. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The most that `value` may be, or the least. */
  readonly target: number | null;
  /** `target` is the least; it is the most when left out. */
  readonly least?: true;
  readonly met: boolean | null;
}

/** A figure, held to `target` where there is one. */
export function figure(name: string, value: number, unit: string, target: number | null = null): Figure {
  return { name, value: rounded(value), unit, target, met: target === null ? null : value <= target };
}

/** A figure that is to reach `target`. */
export function figureAtLeast(name: string, value: number, unit: string, target: number): Figure {
  return { name, value: rounded(value), unit, target, least: true, met: value >= target };
}

/** As many digits as a measurement deserves: three of them that count, and all in front of the point. */
export function rounded(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
