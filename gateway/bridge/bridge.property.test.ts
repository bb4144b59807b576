import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Border, domainOf, setOf, stanza } from './bridge.fixture.ts';
import type { Stanza } from './stanza.ts';

const LIMITED = `partner: fabrikam.example
domains: [fabrikam.example, "*.fabrikam.example"]
presence:
  - { local: hidden@contoso.example, show: nothing }
  - { local: ann@contoso.example, show: availability }
  - { local: bea@contoso.example, show: full }
  - { local: "*@rooms.contoso.example", show: full }
messages: { allow: both, maxBytes: 400 }
iq: { allow: [ping] }
`;
const TIGHT = `${LIMITED}limits:
  messages: { rate: 1/day, burst: 3 }
  presence: { rate: 1/day, burst: 3 }
  iq: { rate: 1/day, burst: 3 }
  subscriptions: { rate: 1/day, burst: 2 }
  contacts: 2
`;
const HOSTILE_TO_ALL = 'partner: fabrikam.example\nmessages: { allow: none }\niq: { allow: [] }\n';

const local = fc.constantFrom(
  'hidden@contoso.example',
  'ann@contoso.example/x',
  'bea@contoso.example',
  'unnamed@contoso.example/y',
  'room@rooms.contoso.example/nick',
  'contoso.example',
  'a b@contoso.example',
);
const remote = fc.constantFrom(
  'bob@fabrikam.example',
  'bob@fabrikam.example/x',
  'eve@sub.fabrikam.example/y',
  'mallory@stranger.example',
  'fabrikam.example',
  'a b@fabrikam.example',
);
const content = fc.constantFrom(
  '',
  '<body>hi</body>',
  `<body>${'x'.repeat(400)}</body>`,
  '<show>away</show><status>out</status>',
  "<ping xmlns='urn:xmpp:ping'/>",
  "<query xmlns='jabber:iq:roster'/>",
  "<x xmlns='http://jabber.org/protocol/muc'/>",
  "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
);
const kinds: readonly (readonly [name: string, types: readonly string[]])[] = [
  ['message', ['', 'chat', 'groupchat', 'headline', 'error']],
  ['presence', ['', 'unavailable', 'probe', 'subscribe', 'subscribed', 'unsubscribe', 'unsubscribed', 'error', 'odd']],
  ['iq', ['get', 'set', 'result', 'error', '', 'odd']],
];
const kind = fc.constantFrom(...kinds.flatMap(([name, types]) => types.map((type) => [name, type] as const)));
const event = fc.record({
  way: fc.constantFrom('inbound', 'outbound', 'lost', 'policies'),
  kind,
  local,
  remote,
  reverse: fc.boolean(),
  id: fc.constantFrom('', '1', 'a&amp;&quot;'),
  content,
});

type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

function stanzaOf({ way, kind: [name, type], local, remote, reverse, id, content }: Event): Stanza {
  const [from, to] = way === 'inbound' || (way === 'lost' && reverse) ? [remote, local] : [local, remote];
  return stanza(
    `<${name} from='${from}' to='${to}'${type && ` type='${type}'`}${id && ` id='${id}'`}>${content}</${name}>`,
  );
}

/** Never an error for an error, nor for what expects no answer (RFC 6120 §8.3.1). */
const unanswerable = ({ name, type }: Stanza): boolean =>
  type === 'error' || (name === 'iq' && type === 'result') || (name === 'presence' && /^un|ed$/.test(type));

function expectAnswer(answer: Stanza, cause: Stanza): void {
  expect(unanswerable(cause)).toBe(false);
  const read = stanza(answer.bytes.toString());
  expect(read).toMatchObject({ name: answer.name, from: answer.from, to: answer.to, type: answer.type, id: answer.id });
  if (read.type === 'error') {
    expect(read).toMatchObject({ name: cause.name, from: cause.to, to: cause.from, id: cause.id, childName: 'error' });
  } else {
    expect(['subscribe', 'probe']).toContain(cause.type);
    const bare = (address: string): string => address.split('/')[0] ?? '';
    expect(read).toMatchObject({ name: 'presence', from: bare(cause.to), to: bare(cause.from), type: 'unsubscribed' });
  }
}

describe('any sequence of stanzas', () => {
  it('crosses or is refused, each with one answer at most, and never an error for an error', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.constantFrom(LIMITED, TIGHT), (events, policy) => {
        const border = new Border(policy);
        for (const [n, step] of events.entries()) {
          if (step.way === 'policies') {
            border.bridge.replacePolicies(setOf(n % 2 ? HOSTILE_TO_ALL : policy));
            expect(border.delivered).toEqual([]);
            for (const { stanza } of border.sent) expect(stanza.type).toBe('unavailable');
            border.take();
            continue;
          }
          const cause = stanzaOf(step);
          // Only what was accepted can be lost.
          if (step.way === 'lost' && /a b@/.test(cause.from + cause.to)) continue;
          if (step.way === 'lost') border.bridge.undeliverable(cause, 'queue-full');
          else if (step.way === 'inbound') border.inbound(cause);
          else border.outbound(cause);
          const outbound = step.way === 'outbound' || (step.way === 'lost' && !step.reverse);
          const back = (outbound ? border.delivered : border.sent).map((given) => given.stanza);
          const across = (outbound ? border.sent : border.delivered).map((given) => given.stanza);
          const { refusals } = border.take();
          expect(across.length + refusals.length).toBe(1);
          expect(back.length).toBeLessThanOrEqual(refusals.length);
          for (const answer of back) expectAnswer(answer, cause);
          if (domainOf(outbound ? cause.to : cause.from) === 'stranger.example') expect(across).toEqual([]);
          if (cause.name === 'iq' && !unanswerable(cause)) expect(across.length + back.length).toBe(1);
        }
        border.bridge.close();
      }),
      { numRuns: 300 },
    );
  });

  it('gives a partner one answer at most to each IQ request', () => {
    const party = fc.constantFrom('ann@contoso.example/x', 'bea@contoso.example');
    const step = fc.record({ party, id: fc.constantFrom('1', '2'), answers: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const border = new Border(LIMITED);
        const open = new Map<string, number>();
        for (const { party, id, answers } of steps) {
          const key = `${party} ${id}`;
          const asked = `<iq from='bob@fabrikam.example' to='${party}' id='${id}' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`;
          if (answers)
            border.outbound(stanza(`<iq from='${party}' to='bob@fabrikam.example' id='${id}' type='result'/>`));
          else border.inbound(stanza(asked));
          const { sent } = border.take();
          expect(sent).toHaveLength(answers && open.get(key) ? 1 : 0);
          open.set(key, answers ? 0 : 1);
        }
      }),
    );
  });
});

describe('what a hidden user does', () => {
  const SECRET = 'secret-desk';
  const hidden = fc.constantFrom('hidden@contoso.example', 'unnamed@contoso.example');
  /** What clients and servers send by themselves: as soon as it differed at the edge, it would tell. */
  const telltale = fc
    .record({
      who: hidden,
      what: fc.constantFrom(
        '<presence WAY><status>secret</status></presence>',
        "<presence WAY type='unavailable'/>",
        "<presence WAY type='probe'/>",
        "<presence WAY type='subscribed'/>",
        "<presence WAY type='unsubscribed'/>",
        "<presence WAY type='error'><error type='cancel'/></presence>",
        "<presence WAY id='secret'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
        "<iq WAY type='result' id='1'/>",
        "<iq WAY type='error' id='1'><error type='cancel'/></iq>",
        "<iq WAY type='get' id='secret'><ping xmlns='urn:xmpp:ping'/></iq>",
      ),
      resource: fc.boolean(),
      remote,
    })
    .map(({ who, what, resource, remote }) => {
      const from = resource ? `${who}/${SECRET}` : who;
      return stanza(what.replace('WAY', `from='${from}' to='${remote}'`));
    });
  const bounce = remote.map((to) =>
    stanza(`<message from='hidden@contoso.example/${SECRET}' to='${to}' type='error'><error type='cancel'/></message>`),
  );
  const ordinary = event.filter(({ way }) => way === 'inbound' || way === 'outbound').map(stanzaOf);

  it('changes nothing that the partner sees', () => {
    const steps = fc.array(
      fc.oneof(
        ordinary.map((stanza) => ({ stanza, told: true })),
        fc.oneof(telltale, bounce).map((stanza) => ({ stanza, told: false })),
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(steps, (steps) => {
        const [with_, without] = [new Border(LIMITED), new Border(LIMITED)];
        const pass = (border: Border, { from, ...rest }: Stanza): boolean =>
          from.includes('contoso.example') ? border.outbound({ from, ...rest }) : border.inbound({ from, ...rest });
        for (const { stanza, told } of steps) {
          pass(with_, stanza);
          if (told) pass(without, stanza);
        }
        const seen = with_.take().sent;
        expect(seen).toEqual(without.take().sent);
        expect(seen.join('')).not.toContain('secret');
      }),
      { numRuns: 300 },
    );
  });

  it('is not told by a room either', () => {
    const jid = fc.constantFrom(
      `hidden@contoso.example/${SECRET}`,
      `HIDDEN@Contoso.Example/${SECRET}`,
      `unnamed@contoso.example/${SECRET}`,
      `hid&#x64;en@contoso.example/${SECRET}`,
      `no address/${SECRET}`,
    );
    const item = fc.record({ jid, actor: fc.option(jid), prefix: fc.boolean() }).map(({ jid, actor, prefix }) => {
      const p = prefix ? 'p:' : '';
      const by = actor === null ? '' : `<${p}actor jid='${actor}' nick='n'/>`;
      const xmlns = `xmlns${prefix ? ':p' : ''}='http://jabber.org/protocol/muc#user'`;
      return `<${p}x ${xmlns}><${p}item affiliation='none' role='participant' jid='${jid}'>${by}</${p}item></${p}x>`;
    });
    const room = fc.record({
      items: fc.array(item, { minLength: 1, maxLength: 3 }),
      type: fc.constantFrom('', 'unavailable'),
    });
    fc.assert(
      fc.property(room, fc.constantFrom('full', 'status', 'availability'), ({ items, type }, show) => {
        const border = new Border(
          LIMITED.replace('rooms.contoso.example", show: full', `rooms.contoso.example", show: ${show}`),
        );
        const typed = type && ` type='${type}'`;
        border.outbound(
          stanza(
            `<presence from='r@rooms.contoso.example/n' to='bob@fabrikam.example/x'${typed}>${items.join('')}</presence>`,
          ),
        );
        const { sent } = border.take();
        expect(sent).toHaveLength(1);
        expect(sent[0]).not.toContain(SECRET);
        if (show === 'full') expect(sent[0]?.match(/affiliation/g)).toHaveLength(items.length);
      }),
    );
  });
});
