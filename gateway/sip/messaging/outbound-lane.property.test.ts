import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Stanza } from '../../bridge/stanza.ts';
import type { Reply, Trunk } from '../port.ts';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import { OutboundLane, type Outgoing } from './outbound-lane.ts';
import { FakeTrunk } from './testing/sip-border.fixture.ts';

type Step =
  | { readonly do: 'say'; readonly conversation: number }
  | { readonly do: 'reply'; readonly which: number; readonly origin: Reply['origin'] | 'refused' }
  | { readonly do: 'wait' }
  | { readonly do: 'turn'; readonly state: 'up' | 'down' };

const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('say' as const), conversation: fc.nat(3) }) },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('reply' as const),
        which: fc.nat(5),
        origin: fc.constantFrom<Reply['origin'] | 'refused'>('peer', 'peer', 'refused', 'unsent', 'timeout'),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('turn' as const),
        state: fc.constantFrom('up' as const, 'down' as const),
      }),
    },
  ),
  { maxLength: 80 },
);

/** A lane behind an outbox that hands on what it keeps in the order of its tickets, as the real one does. */
class Way {
  readonly clock = new FakeClock();
  readonly trunk = new FakeTrunk('p.example');
  /** What became of each, in order: delivered, or told to its sender. */
  readonly settled: string[] = [];
  readonly lane: OutboundLane;
  #waiting: Outgoing[] = [];
  #open = true;
  #tickets = 0;

  constructor() {
    const settle = ({ id }: Stanza) => this.settled.push(id);
    this.lane = new OutboundLane(
      {
        trunk: (): Trunk => this.trunk,
        delivered: ({ stanza }) => settle(stanza),
        rejected: ({ stanza }) => settle(stanza),
        undeliverable: (stanza) => settle(stanza),
        returned: (stanzas) => {
          this.#waiting.unshift(...stanzas.map(outgoingOf));
          this.#open = false;
        },
        room: () => {
          this.#open = true;
          this.#feed();
        },
        unreachable: () => undefined,
        failed: () => undefined,
        random: () => 0.5,
      },
      { messages: 6, bytes: 1_000_000, parallel: 2 },
      this.clock,
    );
  }

  say(conversation: number): void {
    const ticket = ++this.#tickets;
    this.#waiting.push(outgoingOf(stanzaOf(conversation, ticket)));
    this.#feed();
  }

  async reply(which: number, origin: Reply['origin'] | 'refused'): Promise<void> {
    const sent = this.trunk.sent.splice(0);
    const chosen = sent.splice(Math.min(which, sent.length - 1), 1)[0];
    this.trunk.sent.push(...sent);
    if (chosen === undefined) return;
    if (origin === 'refused') chosen.reply(480);
    else chosen.reply(origin === 'peer' ? 200 : 503, { origin });
    await new Promise((resolve) => setImmediate(resolve));
  }

  get outstanding(): readonly string[] {
    return this.trunk.sent.map(({ request }) => request.target);
  }

  #feed(): void {
    while (this.#open) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      const taken = this.lane.send(next);
      if (taken !== 'none') this.#waiting.shift();
      if (taken !== 'more') this.#open = false;
    }
  }
}

function stanzaOf(conversation: number, ticket: number): Stanza {
  return {
    name: 'message',
    from: 'a@h.example',
    to: `b${conversation}@p.example`,
    type: '',
    id: `${conversation} ${ticket}`,
    childNamespace: '',
    childName: 'body',
    children: 1,
    bytes: Buffer.from('x'),
    kept: { queue: 1, ticket, since: 0 },
  };
}

function outgoingOf(stanza: Stanza): Outgoing {
  const party = { uri: `sip:${stanza.to}` };
  return { stanza, conversation: stanza.to, request: { method: 'MESSAGE', target: stanza.to, from: party, to: party } };
}

it('each message has one end, in the order of its conversation, whatever the trunk does', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      const way = new Way();
      let said = 0;
      for (const step of taken satisfies Step[]) {
        if (step.do === 'say') way.say(step.conversation);
        if (step.do === 'say') said++;
        if (step.do === 'reply') await way.reply(step.which, step.origin);
        if (step.do === 'wait') way.clock.advance(1_000);
        if (step.do === 'turn') {
          way.trunk.state = step.state;
          if (step.state === 'up') way.lane.up();
        }
        expect(new Set(way.outstanding).size).toBe(way.outstanding.length);
        expect(way.outstanding.length).toBeLessThanOrEqual(2);
        expect(way.lane.held).toBeLessThanOrEqual(6);
      }
      way.trunk.state = 'up';
      way.lane.up();
      while (way.settled.length < said && (way.outstanding.length > 0 || way.clock.pending > 0)) {
        await way.reply(0, 'peer');
        way.clock.advance(60_000);
      }
      expect(way.settled.toSorted()).toEqual([...new Set(way.settled)].sort());
      expect(way.settled.length).toBe(said);
      for (let conversation = 0; conversation < 4; conversation++) {
        const tickets = way.settled.filter((id) => id.startsWith(`${conversation} `)).map((id) => Number(id.slice(2)));
        expect(tickets).toEqual(tickets.toSorted((one, other) => one - other));
      }
    }),
    { numRuns: 300 },
  );
});
