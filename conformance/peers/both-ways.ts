import { setTimeout } from 'node:timers/promises';
import { Correspondent } from './correspondent.ts';
import { type Federation, homeDomain, partnerDomain } from './federation.ts';
import { type Account, Flow } from './traffic.ts';

/** Each message arrived once, in order, and no sender was told otherwise. */
export const everything = {
  refused: 0,
  lost: [],
  duplicated: [],
  overtaken: [],
  contradicted: [],
} satisfies Partial<Account>;

export interface TrafficOptions {
  /** The direction of the very first message. */
  readonly first?: 'inbound' | 'outbound';
  /** Messages under way in each direction. */
  readonly underWay?: number;
}

/** So many the gateway sends with a barrier behind each: where a peer stops is never in doubt. */
export const lightly = 8;
/** ms between two tries to get a first message through. */
const againMs = 100;

/** Traffic through a federation in both directions; some users send and others receive, so that receivers can be away. */
export class BothWays {
  /** Local; alice receives, the ceo sends. */
  readonly alice: Correspondent;
  readonly ceo: Correspondent;
  /** The partner's; bob receives, bert sends. */
  readonly bob: Correspondent;
  readonly bert: Correspondent;
  readonly outbound: Flow;
  readonly inbound: Flow;
  #greetings = 0;

  /**
   * Everybody is online and the links have carried something, first in this direction: on a cold one Prosody overtakes
   * its own queue.
   */
  static async prepare(
    federation: Federation,
    { first = 'inbound', underWay = lightly }: TrafficOptions = {},
  ): Promise<BothWays> {
    const traffic = new BothWays(federation, underWay);
    const { alice, ceo, bob, bert } = traffic;
    await Promise.all([alice.online(), ceo.online(), bob.online(), bert.online()]);
    await traffic.warm(first);
    return traffic;
  }

  /** {@link prepare}, and traffic flows. */
  static async start(federation: Federation, options?: TrafficOptions): Promise<BothWays> {
    const traffic = await BothWays.prepare(federation, options);
    traffic.outbound.start();
    traffic.inbound.start();
    await traffic.arrive();
    return traffic;
  }

  private constructor(federation: Federation, underWay: number) {
    const local = (name: string) => new Correspondent(`${name}@${homeDomain}`, () => federation.alice(name));
    const remote = (name: string) => new Correspondent(`${name}@${partnerDomain}`, () => federation.bob(name));
    this.alice = local('alice');
    this.ceo = local('ceo');
    this.bob = remote('bob');
    this.bert = remote('bert');
    this.outbound = new Flow('outbound', this.ceo, this.bob, { limit: underWay });
    this.inbound = new Flow('inbound', this.bert, this.alice, { limit: underWay });
  }

  /** A message from bob to alice and one back, or the other way round, outside of what is counted. */
  async warm(first: 'inbound' | 'outbound' = 'inbound'): Promise<void> {
    this.#greetings += 1;
    const pairs = [
      [this.bob, this.alice],
      [this.alice, this.bob],
    ] as const;
    for (const [from, to] of first === 'inbound' ? pairs : pairs.toReversed()) {
      const greeting = new Flow(`greeting-${this.#greetings}`, from, to);
      // A server that has just found the other one gone says so for a while.
      while (greeting.received.length === 0) {
        await greeting.send(1);
        await greeting.settle();
        if (greeting.received.length === 0) await setTimeout(againMs);
      }
    }
  }

  /** Resolves when so many more have arrived on either side. */
  async arrive(count = 100): Promise<void> {
    await Promise.all([this.outbound.arrive(count), this.inbound.arrive(count)]);
  }

  async finish(): Promise<{ outbound: Account; inbound: Account }> {
    const [outbound, inbound] = await Promise.all([this.outbound.finish(), this.inbound.finish()]);
    if (process.env.TRAFFIC) console.log(JSON.stringify({ outbound, inbound }));
    return { outbound, inbound };
  }
}
