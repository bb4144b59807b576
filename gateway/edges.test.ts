import { describe, expect, it } from 'vitest';
import type { ReasonCode } from '../policies/reasons.ts';
import { stanza } from './bridge/bridge.fixture.ts';
import type { Protocol, Taken } from './bridge/ports.ts';
import type { Stanza } from './bridge/stanza.ts';
import { RoutedEdge } from './edges.ts';

const message = (id: string, kept = false): Stanza => ({
  ...stanza(`<message from="a@h.example" to="b@p.example" id="${id}"><body>x</body></message>`),
  ...(kept && { kept: { queue: 1, ticket: 1, since: 0 } }),
});
const error = (id: string): Stanza => stanza(`<message from="a@h.example" to="b@p.example" id="${id}" type="error"/>`);

/** Two edges that take down what they get, and DNS that answers when the test says so. */
class Crossroads {
  readonly sent: string[] = [];
  readonly roomy: string[] = [];
  readonly lost: string[] = [];
  speaks: Protocol | 'auto' = 'auto';
  known: Protocol | undefined;
  asked: { readonly otherwise: Protocol; answer(protocol: Protocol): void } | undefined;
  readonly edge: RoutedEdge;

  constructor() {
    const edge = (name: Protocol) => ({
      send: (_home: string, _partner: string, { id }: Stanza): Taken => {
        this.sent.push(`${name} ${id}`);
        return 'more';
      },
      room: (home: string, partner: string) => this.roomy.push(`${name} ${home} ${partner}`),
    });
    this.edge = new RoutedEdge({
      xmpp: edge('xmpp'),
      sip: {
        ...edge('sip'),
        arrived: (home, partner, { id }) => this.sent.push(`arrived ${home} ${partner} ${id}`),
        awaits: ({ id }) => id.startsWith('sip-'),
        answers: ({ id }) => id === 'sip-waiting',
      },
      choice: {
        known: () => this.known,
        find: (_domain: string, otherwise: Protocol) =>
          new Promise<Protocol>((resolve) => {
            this.asked = {
              otherwise,
              answer: (protocol) => {
                this.known = protocol;
                resolve(protocol);
              },
            };
          }),
      },
      policyOf: () => ({ speaks: this.speaks, otherwise: 'sip' }),
      host: {
        roomForPartner: (home, partner) => this.roomy.push(`${home} ${partner}`),
        undeliverable: ({ id }: Stanza, reason: ReasonCode) => this.lost.push(`${id} ${reason}`),
      },
    });
  }

  send(one: Stanza): Taken {
    return this.edge.send('h.example', 'p.example', one);
  }
}

describe('a partner', () => {
  it('is looked for among so many at a time, and past them taken for what is likely', () => {
    const crossroads = new Crossroads();
    for (let number = 0; number < 1_000; number++) {
      expect(crossroads.edge.send('h.example', `p${number}.example`, message('1', true))).toBe('none');
    }
    expect(crossroads.edge.send('h.example', 'one-more.example', message('2', true))).toBe('more');
    expect(crossroads.sent).toEqual(['sip 2']);
  });

  it.each(['xmpp', 'sip'] as const)('whose policy says %s is reached by that', (protocol) => {
    const crossroads = new Crossroads();
    crossroads.speaks = protocol;
    expect(crossroads.send(message('1'))).toBe('more');
    expect([crossroads.sent, crossroads.asked]).toEqual([[`${protocol} 1`], undefined]);
  });

  it('whose policy says nothing is reached as DNS tells: what is kept waits where it is kept', async () => {
    const crossroads = new Crossroads();
    expect(crossroads.send(message('1', true))).toBe('none');
    expect(crossroads.sent).toEqual([]);
    expect(crossroads.asked?.otherwise).toBe('sip');
    crossroads.asked?.answer('sip');
    await Promise.resolve();
    expect(crossroads.roomy).toEqual(['h.example p.example']);
    expect(crossroads.send(message('1', true))).toBe('more');
    expect(crossroads.sent).toEqual(['sip 1']);
  });

  it('gets what nothing keeps in its order, once DNS has told', async () => {
    const crossroads = new Crossroads();
    for (const id of ['1', '2']) crossroads.send(message(id));
    crossroads.known = 'xmpp';
    crossroads.send(message('3'));
    expect(crossroads.sent).toEqual([]);
    crossroads.asked?.answer('xmpp');
    await Promise.resolve();
    expect(crossroads.sent).toEqual(['xmpp 1', 'xmpp 2', 'xmpp 3']);
  });

  it('does not fill memory while DNS is silent', () => {
    const crossroads = new Crossroads();
    for (let id = 0; id < 1_002; id++) crossroads.send(message(`${id}`));
    expect(crossroads.lost).toEqual(['1000 queue-full', '1001 queue-full']);
  });

  it('who asked by SIP is answered by SIP, whatever else holds', () => {
    const crossroads = new Crossroads();
    crossroads.speaks = 'xmpp';
    crossroads.send(error('sip-1'));
    expect(['sip-1', 'sip-waiting'].map((id) => crossroads.edge.answers(error(id)))).toEqual([false, true]);
    crossroads.send(error('1'));
    expect(crossroads.sent).toEqual(['sip sip-1', 'xmpp 1']);
  });
});

it('both edges hear of room, and SIP of what arrived', () => {
  const crossroads = new Crossroads();
  crossroads.edge.room('h.example', 'p.example');
  crossroads.edge.arrived('h.example', 'p.example', message('1'));
  expect([...crossroads.roomy, ...crossroads.sent]).toEqual([
    'xmpp h.example p.example',
    'sip h.example p.example',
    'arrived h.example p.example 1',
  ]);
});
