import { type Ending, endings } from './ending.ts';
import type { Refusal } from './gate.ts';

/** What happened since the start, and what stands, for metrics. */
export interface FlowCounters {
  readonly open: { readonly byUs: number; readonly byPeer: number };
  readonly opened: { readonly byUs: number; readonly byPeer: number };
  readonly refused: Readonly<Record<Refusal, number>>;
  readonly ended: Readonly<Record<Ending, number>>;
  /** Bytes of incomplete messages. */
  readonly heldBytes: number;
}

const refusals: readonly Refusal[] = [
  'full',
  'address-full',
  'too-many-attempts',
  'address-not-admitted',
  'handshake-timeout',
  'handshake-failed',
  'name-unknown',
];

/** Counts flows as they come and go. */
export class FlowCount {
  readonly #open = { byUs: 0, byPeer: 0 };
  readonly #opened = { byUs: 0, byPeer: 0 };
  readonly #refused = zeros(refusals);
  readonly #ended = zeros(Object.keys(endings) as Ending[]);
  heldBytes = 0;

  get openByUs(): number {
    return this.#open.byUs;
  }

  add({ opened }: { readonly opened: 'by-us' | 'by-peer' }): void {
    const side = opened === 'by-us' ? 'byUs' : 'byPeer';
    this.#open[side]++;
    this.#opened[side]++;
  }

  end({ opened }: { readonly opened: 'by-us' | 'by-peer' }, ending: Ending): void {
    this.#open[opened === 'by-us' ? 'byUs' : 'byPeer']--;
    this.#ended[ending]++;
  }

  refuse(refusal: Refusal): void {
    this.#refused[refusal]++;
  }

  snapshot(): FlowCounters {
    return {
      open: { ...this.#open },
      opened: { ...this.#opened },
      refused: { ...this.#refused },
      ended: { ...this.#ended },
      heldBytes: this.heldBytes,
    };
  }
}

function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
}
