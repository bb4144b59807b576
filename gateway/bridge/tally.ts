export type Tallied = 'message' | 'presence' | 'iq' | 'refused' | 'lost';

type Counts = Record<Tallied, number>;

/** Partners counted by name; the rest together, so that strangers' names do not grow it. */
const PARTNERS = 10_000;
const OTHERS = '(others)';

/** What crossed, was refused or lost, by partner and direction: plain numbers, read when metrics are asked for. */
export class Tally {
  readonly #inbound = new Map<string, Counts>();
  readonly #outbound = new Map<string, Counts>();

  count(partner: string, direction: 'inbound' | 'outbound', what: Tallied): void {
    const side = direction === 'inbound' ? this.#inbound : this.#outbound;
    const name = side.has(partner) || side.size < PARTNERS ? partner : OTHERS;
    let counts = side.get(name);
    if (counts === undefined) {
      counts = { message: 0, presence: 0, iq: 0, refused: 0, lost: 0 };
      side.set(name, counts);
    }
    counts[what]++;
  }

  *[Symbol.iterator](): Generator<{
    partner: string;
    direction: 'inbound' | 'outbound';
    what: Tallied;
    count: number;
  }> {
    for (const [direction, side] of [['inbound', this.#inbound] as const, ['outbound', this.#outbound] as const]) {
      for (const [partner, counts] of side) {
        for (const [what, count] of Object.entries(counts)) yield { partner, direction, what: what as Tallied, count };
      }
    }
  }
}
