import { quantile } from '../median.ts';
import type { Lines, Sent } from './lines.ts';
import type { Pair } from './stanzas.ts';

/** How load is sent: so long, ms; so many stanzas a second, one a write, or as fast as they are taken. */
export interface Load {
  readonly ms: number;
  readonly rate?: number | undefined;
}

export interface Flow extends Load {
  readonly line: string;
  readonly pair: Pair;
}

/** What came of a flow at its end. */
export interface Arrived {
  readonly count: number;
  /** When the last one came, µs of the monotonic clock. */
  readonly atUs: number;
  /** From write to arrival, µs; NaN where the stanzas did not tell. */
  readonly p50: number;
  readonly p99: number;
}

/** How long what was sent may take to arrive, ms, once all of it was taken. */
const patienceMs = 60_000;

/** Sending and receiving, on either side. */
export function flows(lines: Lines) {
  return {
    /** Resolves when the line stands. */
    async stands({ line }: { line: string }): Promise<void> {
      await lines.standing(line);
    },

    async send({ line, pair, ms, rate }: Flow): Promise<Sent> {
      const from = await lines.standing(line);
      return rate === undefined ? await from.flood(pair, ms) : await from.pace(pair, rate, ms);
    },

    /** Counts from 0 again. */
    async begin({ line, stamped }: { line: string; stamped: boolean }): Promise<void> {
      (await lines.standing(line)).arrivals.begin(stamped);
    },

    /** Resolves when so many have come since {@link begin}; rejects with how many did when that takes too long. */
    async arrived({ line, count }: { line: string; count: number }): Promise<Arrived> {
      const { arrivals } = await lines.standing(line);
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(
        () => late.reject(new Error(`${line}: ${arrivals.received} of ${count} arrived`)),
        patienceMs,
      );
      try {
        const atUs = await Promise.race([arrivals.reach(count), late.promise]);
        const { latencies, received } = arrivals;
        return { count: received, atUs, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
