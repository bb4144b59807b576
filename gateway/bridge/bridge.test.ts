import { describe, expect, it } from 'vitest';
import type { StanzaCondition } from '../../policies/reasons.ts';
import { Border, setOf, stanza } from './bridge.fixture.ts';

const POLICY = `partner: fabrikam.example
domains: [fabrikam.example, "*.fabrikam.example"]
presence:
  - { local: nothing@contoso.example, show: nothing }
  - { local: availability@contoso.example, show: availability }
  - { local: status@contoso.example, show: status }
  - { local: full@contoso.example, show: full }
messages:
  allow: both
  maxBytes: 2000
iq:
  allow: [ping]
`;
const levels = ['silent', 'nothing', 'availability', 'status', 'full'] as const;
type Level = (typeof levels)[number];

/** What becomes of a stanza: it crosses as it is, crosses as another, or is refused for a reason, with an answer or none. */
type Fate = 'same' | { readonly as: string } | { readonly reason: string; readonly answer: string | undefined };
const no = (reason: string, answer?: string): Fate => ({ reason, answer });

const MUC = "<x xmlns='http://jabber.org/protocol/muc'/>";
const PING = "<ping xmlns='urn:xmpp:ping'/>";
const DETAILS =
  "<show>away</show><status>at <lunch/> &amp; back</status><status xml:lang='de'>M&#246;hre</status>" +
  "<priority>5</priority><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/>";
const SHOWN_STATUS =
  '<show>away</show><status>at  &amp; back</status><status xml:lang="de">Möhre</status><priority>5</priority>';

function error(name: string, from: string, to: string, condition: StanzaCondition, type = 'cancel'): string {
  const xmlns = 'urn:ietf:params:xml:ns:xmpp-stanzas';
  const content = `<error type="${type}"><${condition} xmlns="${xmlns}"/></error>`;
  return `<${name} from="${from}" to="${to}" type="error" id="i1">${content}</${name}>`;
}

const PARTNER = 'bob@fabrikam.example/desk';
const everywhere = (fate: Fate): Record<Level, Fate> => ({
  silent: fate,
  nothing: fate,
  availability: fate,
  status: fate,
  full: fate,
});
const unlessHidden = (silent: Fate, nothing: Fate): Record<Level, Fate> => ({ ...everywhere('same'), silent, nothing });

describe('a stanza from a partner', () => {
  const refused = (name: string, condition: StanzaCondition, type?: string, to = 'USER'): string =>
    error(name, to, PARTNER, condition, type);
  const unsubscribed = '<presence from="USER" to="bob@fabrikam.example" type="unsubscribed"/>';
  const inbound: [string, string, Record<Level, Fate>][] = [
    ['message', `<message FROM to='USER' type='chat' id='i1'><body>hi</body></message>`, everywhere('same')],
    ['groupchat to a resource', `<message FROM to='USER/desk' type='groupchat' id='i1'/>`, everywhere('same')],
    [
      'message too big',
      `<message FROM to='USER' id='i1'><body>${'x'.repeat(2000)}</body></message>`,
      everywhere(no('message-too-big line 10', refused('message', 'policy-violation', 'modify'))),
    ],
    [
      'message error',
      `<message FROM to='USER' type='error' id='i1'><error type='cancel'/></message>`,
      everywhere('same'),
    ],
    [
      'presence',
      `<presence FROM to='USER' id='i1'>${DETAILS}</presence>`,
      unlessHidden(no('policy-silent', refused('presence', 'service-unavailable')), 'same'),
    ],
    ['unavailable', `<presence FROM to='USER' type='unavailable'/>`, unlessHidden(no('policy-silent'), 'same')],
    [
      'join',
      `<presence FROM to='USER/nick' id='i1'>${MUC}</presence>`,
      unlessHidden(
        no('policy-silent', refused('presence', 'service-unavailable', 'cancel', 'USER/nick')),
        no('presence-hidden line 4'),
      ),
    ],
    [
      'join that does not look like one',
      `<presence FROM to='USER/nick' id='i1'><show>away</show><x xmlns='http://jabber.org/protocol/m&#117;c'/></presence>`,
      unlessHidden(
        no('policy-silent', refused('presence', 'service-unavailable', 'cancel', 'USER/nick')),
        no('presence-hidden line 4'),
      ),
    ],
    [
      'probe',
      `<presence FROM to='USER' type='probe' id='i1'/>`,
      unlessHidden(no('presence-hidden', unsubscribed), no('presence-hidden line 4', unsubscribed)),
    ],
    [
      'subscribe',
      `<presence FROM to='USER' type='subscribe' id='i1'/>`,
      unlessHidden(no('policy-silent', unsubscribed), no('presence-hidden line 4', unsubscribed)),
    ],
    ['unsubscribe', `<presence FROM to='USER' type='unsubscribe'/>`, unlessHidden(no('policy-silent'), 'same')],
    ['subscribed', `<presence FROM to='USER' type='subscribed'/>`, unlessHidden(no('policy-silent'), 'same')],
    ['unsubscribed', `<presence FROM to='USER' type='unsubscribed'/>`, unlessHidden(no('policy-silent'), 'same')],
    [
      'presence error',
      `<presence FROM to='USER' type='error' id='i1'><error type='cancel'/></presence>`,
      unlessHidden(no('presence-hidden'), 'same'),
    ],
    [
      'iq',
      `<iq FROM to='USER/desk' type='get' id='i1'>${PING}</iq>`,
      unlessHidden(
        no('presence-hidden', refused('iq', 'service-unavailable', 'cancel', 'USER/desk')),
        no('presence-hidden line 4', refused('iq', 'service-unavailable', 'cancel', 'USER/desk')),
      ),
    ],
    [
      'iq of a namespace that is not listed',
      `<iq FROM to='USER' type='set' id='i1'><query xmlns='jabber:iq:roster'/></iq>`,
      everywhere(no('iq-namespace-denied line 12', refused('iq', 'service-unavailable'))),
    ],
    ['iq result to no request', `<iq FROM to='USER' type='result' id='i1'/>`, everywhere(no('iq-unsolicited'))],
    [
      'iq error to no request',
      `<iq FROM to='USER' type='error' id='i1'><error type='cancel'/></iq>`,
      everywhere(no('iq-unsolicited')),
    ],
    [
      'iq without a payload',
      `<iq FROM to='USER' type='get' id='i1'/>`,
      everywhere(no('stanza-malformed', refused('iq', 'bad-request', 'modify'))),
    ],
    [
      'iq of an unknown type',
      `<iq FROM to='USER' type='ask' id='i1'>${PING}</iq>`,
      everywhere(no('stanza-malformed', refused('iq', 'bad-request', 'modify'))),
    ],
    ['presence of an unknown type', `<presence FROM to='USER' type='away'/>`, everywhere(no('stanza-malformed'))],
  ];
  it.each(cases(inbound))('%s to a user shown as %s', (_name, level, xml, fate) => {
    const border = new Border(POLICY);
    const user = `${level}@contoso.example`;
    const arriving = stanza(xml.replaceAll('FROM', `from='${PARTNER}'`).replaceAll('USER', user));
    expect(border.inbound(arriving)).toBe(true);
    if (fate === 'same') expect(border.delivered[0]?.stanza.bytes).toBe(arriving.bytes);
    else if ('as' in fate) throw new Error('nothing inbound is reshaped');
    const { sent, delivered, refusals } = border.take();
    expect({ sent, crossed: delivered.length, refusals }).toEqual(
      fate === 'same'
        ? { sent: [], crossed: 1, refusals: [] }
        : { sent: fate.answer ? [fate.answer.replaceAll('USER', user)] : [], crossed: 0, refusals: [fate.reason] },
    );
  });
});

describe('a stanza of a local user', () => {
  const refused = (name: string, condition: StanzaCondition, type?: string, from = 'bob@fabrikam.example'): string =>
    error(name, from, 'USER/desk', condition, type);
  const bare = "from='USER' to='bob@fabrikam.example'";
  const denied = '<presence from="bob@fabrikam.example" to="USER" type="unsubscribed"/>';
  const seen = (content: string, more = ''): Fate => {
    const start = `<presence from="USER/desk" to="bob@fabrikam.example"${more}`;
    return { as: content === '' ? `${start}/>` : `${start}>${content}</presence>` };
  };
  const outbound: [string, string, Record<Level, Fate>][] = [
    ['message', `<message FROM to='bob@fabrikam.example' id='i1'><body>hi</body></message>`, everywhere('same')],
    [
      'message too big',
      `<message FROM to='bob@fabrikam.example' id='i1'><body>${'x'.repeat(2000)}</body></message>`,
      everywhere(no('message-too-big line 10', refused('message', 'policy-violation', 'modify'))),
    ],
    [
      'message error',
      `<message FROM to='bob@fabrikam.example' type='error' id='i1'><error type='cancel'/></message>`,
      unlessHidden(no('presence-hidden'), no('presence-hidden line 4')),
    ],
    [
      'presence',
      `<presence FROM to='bob@fabrikam.example'>${DETAILS}</presence>`,
      {
        silent: no('policy-silent'),
        nothing: no('presence-hidden line 4'),
        availability: seen(''),
        status: seen(SHOWN_STATUS),
        full: 'same',
      },
    ],
    [
      'unavailable',
      `<presence FROM to='bob@fabrikam.example' type='unavailable' id='i1'><status>bye</status></presence>`,
      {
        silent: no('policy-silent'),
        nothing: no('presence-hidden line 4'),
        availability: seen('', ' type="unavailable" id="i1"'),
        status: seen('<status>bye</status>', ' type="unavailable" id="i1"'),
        full: 'same',
      },
    ],
    [
      'join',
      `<presence FROM to='room@talk.fabrikam.example/nick' id='i1'><show>dnd</show>${MUC}</presence>`,
      {
        silent: no(
          'policy-silent',
          refused('presence', 'service-unavailable', 'cancel', 'room@talk.fabrikam.example/nick'),
        ),
        nothing: no(
          'presence-hidden line 4',
          refused('presence', 'service-unavailable', 'cancel', 'room@talk.fabrikam.example/nick'),
        ),
        availability: {
          as: `<presence from="USER/desk" to="room@talk.fabrikam.example/nick" id="i1">${MUC.replaceAll("'", '"')}</presence>`,
        },
        status: {
          as: `<presence from="USER/desk" to="room@talk.fabrikam.example/nick" id="i1"><show>dnd</show>${MUC.replaceAll("'", '"')}</presence>`,
        },
        full: 'same',
      },
    ],
    ['probe', `<presence ${bare} type='probe'/>`, unlessHidden(no('presence-hidden'), no('presence-hidden line 4'))],
    [
      'subscribe',
      `<presence FROM to='bob@fabrikam.example' type='subscribe' id='i1'/>`,
      unlessHidden(no('policy-silent', denied), no('presence-hidden line 4', denied)),
    ],
    [
      'subscribe with a note',
      `<presence FROM to='bob@fabrikam.example' type='subscribe'><status>it is me</status></presence>`,
      {
        silent: no('policy-silent', denied),
        nothing: no('presence-hidden line 4', denied),
        availability: seen('', ' type="subscribe"'),
        status: seen('<status>it is me</status>', ' type="subscribe"'),
        full: 'same',
      },
    ],
    ['unsubscribe', `<presence ${bare} type='unsubscribe'/>`, unlessHidden(no('policy-silent'), 'same')],
    [
      'subscribed',
      `<presence ${bare} type='subscribed'/>`,
      unlessHidden(no('presence-hidden'), no('presence-hidden line 4')),
    ],
    [
      'unsubscribed',
      `<presence ${bare} type='unsubscribed'/>`,
      unlessHidden(no('presence-hidden'), no('presence-hidden line 4')),
    ],
    [
      'presence error',
      `<presence ${bare} type='error'><error type='cancel'/></presence>`,
      unlessHidden(no('presence-hidden'), no('presence-hidden line 4')),
    ],
    [
      'iq',
      `<iq FROM to='bob@fabrikam.example' type='get' id='i1'>${PING}</iq>`,
      unlessHidden(
        no('presence-hidden', refused('iq', 'service-unavailable')),
        no('presence-hidden line 4', refused('iq', 'service-unavailable')),
      ),
    ],
    [
      'iq of a namespace that is not listed',
      `<iq FROM to='bob@fabrikam.example' type='get' id='i1'><vCard xmlns='vcard-temp'/></iq>`,
      everywhere(no('iq-namespace-denied line 12', refused('iq', 'service-unavailable'))),
    ],
    [
      'iq result to no request',
      `<iq FROM to='bob@fabrikam.example' type='result' id='i1'/>`,
      everywhere(no('iq-unsolicited')),
    ],
    [
      'iq without a payload',
      `<iq FROM to='bob@fabrikam.example' type='set' id='i1'/>`,
      everywhere(no('stanza-malformed', refused('iq', 'bad-request', 'modify'))),
    ],
  ];
  it.each(cases(outbound))('%s of a user shown as %s', (_name, level, xml, fate) => {
    const border = new Border(POLICY);
    const user = `${level}@contoso.example`;
    const arriving = stanza(xml.replaceAll('FROM', `from='USER/desk'`).replaceAll('USER', user));
    expect(border.outbound(arriving)).toBe(true);
    if (fate === 'same') expect(border.sent[0]?.stanza.bytes).toBe(arriving.bytes);
    const { sent, delivered, refusals } = border.take();
    if (fate === 'same')
      expect({ delivered, crossed: sent.length, refusals }).toEqual({ delivered: [], crossed: 1, refusals: [] });
    else if ('as' in fate) {
      expect({ sent, delivered, refusals }).toEqual({
        sent: [fate.as.replaceAll('USER', user)],
        delivered: [],
        refusals: [],
      });
    } else {
      const answers = fate.answer ? [fate.answer.replaceAll('USER', user)] : [];
      expect({ sent, delivered, refusals }).toEqual({ sent: [], delivered: answers, refusals: [fate.reason] });
    }
  });
});

function cases(table: [string, string, Record<Level, Fate>][]): [string, Level, string, Fate][] {
  return table.flatMap(([name, xml, fates]) =>
    levels.map((level): [string, Level, string, Fate] => [name, level, xml, fates[level]]),
  );
}

describe('where messages may cross', () => {
  const inbound = stanza("<message from='bob@fabrikam.example' to='ann@contoso.example' id='i1'/>");
  const outbound = stanza("<message from='ann@contoso.example' to='bob@fabrikam.example' id='i1'/>");
  it.each([
    ['both', true, true],
    ['inbound', true, false],
    ['outbound', false, true],
    ['none', false, false],
  ])('%s: inbound %s, outbound %s, errors as soon as either may', (allow, mayIn, mayOut) => {
    const border = new Border(`partner: fabrikam.example\nmessages:\n  allow: ${allow}`);
    border.inbound(inbound);
    const ofInbound = border.take();
    border.outbound(outbound);
    const ofOutbound = border.take();
    expect(ofInbound.delivered).toHaveLength(mayIn ? 1 : 0);
    expect(ofOutbound.sent).toHaveLength(mayOut ? 1 : 0);
    const denied = (may: boolean): string[] => (may ? [] : ['direction-denied line 3']);
    expect([ofInbound.refusals, ofOutbound.refusals]).toEqual([denied(mayIn), denied(mayOut)]);
    expect([ofInbound.sent, ofOutbound.delivered]).toEqual([
      mayIn ? [] : [error('message', 'ann@contoso.example', 'bob@fabrikam.example', 'policy-violation')],
      mayOut ? [] : [error('message', 'bob@fabrikam.example', 'ann@contoso.example', 'policy-violation')],
    ]);
    border.inbound(stanza("<message from='bob@fabrikam.example' to='ann@contoso.example' type='error' id='i1'/>"));
    expect(border.take()).toEqual({
      sent: [],
      delivered: mayIn || mayOut ? [expect.stringContaining('error')] : [],
      refusals: mayIn || mayOut ? [] : ['direction-denied line 3'],
    });
  });

  it('nowhere where the policy does not speak of them, nor their errors', () => {
    const border = new Border('partner: fabrikam.example');
    border.inbound(inbound);
    border.outbound(stanza("<message from='ann@contoso.example' to='bob@fabrikam.example' type='error' id='i1'/>"));
    expect(border.take()).toEqual({
      sent: [error('message', 'ann@contoso.example', 'bob@fabrikam.example', 'service-unavailable')],
      delivered: [],
      refusals: ['policy-silent', 'policy-silent'],
    });
  });

  it('nor an error that is larger than a message may be', () => {
    const border = new Border('partner: fabrikam.example\nmessages: { allow: both, maxBytes: 100 }');
    const xml = `<message from='bob@fabrikam.example' to='ann@contoso.example' type='error'>${'x'.repeat(100)}</message>`;
    border.inbound(stanza(xml));
    expect(border.take()).toEqual({ sent: [], delivered: [], refusals: ['message-too-big line 2'] });
  });
});

describe('addresses', () => {
  it('of the partner are found under a wildcard, and answered where they came from', () => {
    const border = new Border(POLICY);
    border.inbound(
      stanza("<iq from='conference.fabrikam.example' to='contoso.example' type='get' id='i1'><q xmlns='u'/></iq>"),
    );
    expect(border.sent.map(({ home, partner }) => [home, partner])).toEqual([
      ['contoso.example', 'conference.fabrikam.example'],
    ]);
  });

  it.each([
    ['no-partner', 'ann@contoso.example', 'x@stranger.example', 'service-unavailable', 'cancel'],
    ['no-partner', 'ann@contoso.example', 'x@contoso.example', 'service-unavailable', 'cancel'],
    ['domain-not-home', 'ann@elsewhere.example', 'bob@fabrikam.example', 'item-not-found', 'cancel'],
    ['address-malformed', 'ann@contoso.example', '@fabrikam.example', 'jid-malformed', 'modify'],
    ['address-malformed', 'a b@contoso.example', 'bob@fabrikam.example', 'jid-malformed', 'modify'],
  ] as const)('outbound: %s for %s → %s', (reason, from, to, condition, type) => {
    const border = new Border(POLICY);
    const partner = 'fabrikam.example';
    expect(border.bridge.outbound(partner, stanza(`<message from='${from}' to='${to}' id='i1'/>`))).toBe(true);
    expect(border.take()).toEqual({
      sent: [],
      delivered: [error('message', to, from, condition, type)],
      refusals: [reason],
    });
  });

  it('inbound: no-partner once a policy is gone', () => {
    const border = new Border(POLICY);
    border.bridge.replacePolicies(setOf());
    border.inbound(stanza("<message from='bob@fabrikam.example' to='ann@contoso.example' id='i1'/>"));
    const answer = error('message', 'ann@contoso.example', 'bob@fabrikam.example', 'service-unavailable');
    expect(border.take()).toEqual({ sent: [answer], delivered: [], refusals: ['no-partner'] });
  });

  it.each([
    ['bob@fabrikam.example', true],
    ['BOB@fabrikam.example/X@y/z', true],
    ['fabrikam.example/x@y', true],
    ['bob@Fabrikam.example', false],
    ['bob@fabrikam.example./x', false],
    ['FABRIKAM.example', false],
  ])('inbound from %s, whose domain a component link must take: %s', (from, taken) => {
    const border = new Border(POLICY);
    const arriving = stanza(`<message from='${from}' to='Full@Contoso.example' id='i1'/>`);
    border.bridge.inbound('fabrikam.example', 'contoso.example', arriving);
    const answer = error('message', 'Full@Contoso.example', from, 'jid-malformed', 'modify');
    expect(border.take()).toEqual({
      sent: taken ? [] : [answer],
      delivered: taken ? [arriving.bytes.toString()] : [],
      refusals: taken ? [] : ['address-malformed'],
    });
  });

  it('inbound: address-malformed', () => {
    const border = new Border(POLICY);
    const arriving = stanza("<message from='bob@fabrikam.example' to='a&amp;b@contoso.example' id='a&#10;&quot;b'/>");
    border.inbound(arriving);
    const [answer] = border.sent;
    expect(border.take().refusals).toEqual(['address-malformed']);
    expect(stanza(answer?.stanza.bytes.toString() ?? '')).toMatchObject({
      from: 'a&b@contoso.example',
      to: 'bob@fabrikam.example',
      type: 'error',
      id: 'a\n"b',
    });
  });
});

describe('IQ answers', () => {
  const request = stanza(
    `<iq from='bob@fabrikam.example/x' to='full@contoso.example/y' type='get' id='7'>${PING}</iq>`,
  );
  const answer = stanza("<iq from='full@contoso.example/y' to='bob@fabrikam.example/x' type='result' id='7'/>");
  const reverse = stanza(
    `<iq from='full@contoso.example/y' to='bob@fabrikam.example/x' type='get' id='7'>${PING}</iq>`,
  );

  it('stay here when a new policy hides the user before they come', () => {
    const visible = 'partner: fabrikam.example\npresence: [{ local: "*", show: full }]';
    const border = new Border(visible);
    border.inbound(request);
    border.bridge.replacePolicies(setOf(visible.replace('full', 'nothing')));
    border.take();
    border.outbound(answer);
    expect(border.take()).toEqual({ sent: [], delivered: [], refusals: ['presence-hidden line 2'] });
  });

  it.each(['result', 'error'])('a %s crosses once, to the request that crossed', (type) => {
    const border = new Border(POLICY);
    const typed = stanza(answer.bytes.toString().replace('result', type));
    border.inbound(request);
    border.outbound(typed);
    expect(border.sent[0]?.stanza.bytes).toBe(typed.bytes);
    border.outbound(typed);
    expect(border.take()).toMatchObject({ sent: [typed.bytes.toString()], refusals: ['iq-unsolicited'] });
  });

  it('crosses inbound too', () => {
    const border = new Border(POLICY);
    border.outbound(reverse);
    const back = stanza("<iq from='bob@fabrikam.example/x' to='full@contoso.example/y' type='result' id='7'/>");
    border.inbound(back);
    expect(border.delivered[0]?.stanza.bytes).toBe(back.bytes);
  });

  it('does not cross after five minutes, nor from somebody else, nor to a request that was refused or lost', () => {
    const border = new Border(POLICY);
    border.inbound(request);
    border.outbound(stanza("<iq from='full@contoso.example/z' to='bob@fabrikam.example/x' type='result' id='7'/>"));
    border.now += 5 * 60_000;
    border.outbound(answer);
    border.inbound(
      stanza("<iq from='bob@fabrikam.example/x' to='full@contoso.example/y' type='get' id='7'><q xmlns='u'/></iq>"),
    );
    border.outbound(answer);
    expect(border.take().refusals).toEqual([
      'iq-unsolicited',
      'iq-unsolicited',
      'iq-namespace-denied line 12',
      'iq-unsolicited',
    ]);
    border.inbound(request);
    border.bridge.undeliverable(request, 'home-unavailable');
    border.outbound(answer);
    expect(border.take().refusals).toEqual(['home-unavailable', 'iq-unsolicited']);
  });
});

describe('what cannot be delivered', () => {
  it.each([
    ['inbound', 'home-unavailable', 'bob@fabrikam.example/x', 'full@contoso.example', 'service-unavailable', 'wait'],
    [
      'outbound',
      'remote-not-found',
      'full@contoso.example/x',
      'bob@fabrikam.example',
      'remote-server-not-found',
      'cancel',
    ],
    ['outbound', 'queue-expired', 'full@contoso.example/x', 'bob@fabrikam.example', 'remote-server-timeout', 'wait'],
  ] as const)('%s: its sender is told, %s', (direction, reason, from, to, condition, type) => {
    const border = new Border(POLICY);
    border.bridge.undeliverable(stanza(`<message from='${from}' to='${to}' id='i1'/>`), reason);
    const told = [error('message', to, from, condition, type)];
    const taken = border.take();
    expect(direction === 'inbound' ? taken.sent : taken.delivered).toEqual(told);
    expect(taken.refusals).toEqual([reason]);
    expect([...border.bridge.tally]).toContainEqual({ partner: 'fabrikam.example', direction, what: 'lost', count: 1 });
  });

  it.each([
    "<message type='error'",
    "<presence type='error'",
    "<presence type='unavailable'",
    "<presence type='unsubscribed'",
    "<iq type='result' id='1'",
    "<iq type='error' id='1'",
  ])('%s: nobody is told', (start) => {
    const border = new Border(POLICY);
    border.bridge.undeliverable(
      stanza(`${start} from='full@contoso.example' to='bob@fabrikam.example'/>`),
      'queue-full',
    );
    border.bridge.undeliverable(
      stanza(`${start} from='bob@fabrikam.example' to='full@contoso.example'/>`),
      'queue-full',
    );
    expect(border.take()).toEqual({ sent: [], delivered: [], refusals: ['queue-full', 'queue-full'] });
  });
});

describe('flow control', () => {
  const inbound = stanza("<message from='bob@fabrikam.example' to='full@contoso.example' id='i1'/>");
  const outbound = stanza("<message from='full@contoso.example' to='bob@fabrikam.example' id='i1'/>");
  const unlisted = "type='get' id='i1'><q xmlns='u'/></iq>";

  it('tells each side when the other is full', () => {
    const border = new Border(POLICY);
    border.homeFull = true;
    expect([border.inbound(inbound), border.outbound(outbound)]).toEqual([false, true]);
    border.homeFull = false;
    border.edgeFull = true;
    expect([border.inbound(inbound), border.outbound(outbound)]).toEqual([true, false]);
    expect(border.take()).toMatchObject({ refusals: [] });
  });

  it('lets who waited for the other side go on', () => {
    const border = new Border(POLICY);
    border.bridge.roomForPartner('contoso.example', 'fabrikam.example');
    expect(border.relieved.splice(0)).toContain('home fabrikam.example');
    border.bridge.roomForHome('fabrikam.example');
    expect(border.relieved).toEqual(
      expect.arrayContaining(['edge contoso.example fabrikam.example', 'edge rooms.contoso.example fabrikam.example']),
    );
  });

  it('lets who waited for room for our answers go on', () => {
    const border = new Border(POLICY);
    border.edgeFull = true;
    border.homeFull = true;
    expect(border.inbound(stanza(`<iq from='bob@fabrikam.example' to='contoso.example' ${unlisted}`))).toBe(false);
    expect(border.outbound(stanza(`<iq from='full@contoso.example' to='fabrikam.example' ${unlisted}`))).toBe(false);
    border.bridge.roomForPartner('contoso.example', 'fabrikam.example');
    expect(border.relieved.splice(0)).toContain('edge contoso.example fabrikam.example');
    border.bridge.roomForHome('fabrikam.example');
    expect(border.relieved).toContain('home fabrikam.example');
  });
});

describe('the record', () => {
  it('names event, reason, rule, direction, partner and addresses, and never what a stanza says', () => {
    const border = new Border(POLICY);
    const xml = `<iq from='bob@fabrikam.example/x' to='full@contoso.example' type='set' id='i1'><q xmlns='u'>secret</q></iq>`;
    border.inbound(stanza(xml));
    border.bridge.undeliverable(stanza(xml), 'home-unavailable');
    const facts = { stanza: 'iq', type: 'set', from: 'bob@fabrikam.example/x', to: 'full@contoso.example', id: 'i1' };
    const more = { direction: 'inbound', partner: 'fabrikam.example', ...facts, bytes: xml.length };
    expect(border.refusals).toMatchObject([
      {
        event: 'stanza-refused',
        reason: 'iq-namespace-denied',
        rule: { file: 'partner.yaml', line: 12 },
        fields: more,
      },
      { event: 'stanza-undeliverable', reason: 'home-unavailable', fields: more },
    ]);
    expect(JSON.stringify(border.refusals)).not.toContain('secret');
  });

  it('counts what crossed and what was refused, by partner', () => {
    const border = new Border(POLICY);
    border.inbound(stanza("<message from='bob@sub.fabrikam.example' to='full@contoso.example'/>"));
    border.outbound(stanza("<presence from='full@contoso.example/x' to='bob@fabrikam.example'/>"));
    border.outbound(stanza("<presence from='nothing@contoso.example/x' to='bob@fabrikam.example'/>"));
    expect([...border.bridge.tally].filter(({ count }) => count > 0)).toEqual([
      { partner: 'fabrikam.example', direction: 'inbound', what: 'message', count: 1 },
      { partner: 'fabrikam.example', direction: 'outbound', what: 'presence', count: 1 },
      { partner: 'fabrikam.example', direction: 'outbound', what: 'refused', count: 1 },
    ]);
  });
});
