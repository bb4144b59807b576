import { describe, expect, it } from 'vitest';
import { type Consideration, judge, presenceVisibility } from './judge.ts';
import { address, ask, policyOf } from './policy.fixture.ts';
import type { Kind } from './verdict.ts';

const partner = policyOf(`partner: fabrikam.example
groups: { executives: [ceo@contoso.example, "*@board.contoso.example"] }
presence:
  - { local: "group:executives", show: nothing }
  - { local: "status@contoso.example", show: status }
  - { local: "full@contoso.example", show: full }
  - { local: "room@rooms.contoso.example", show: full }
  - { local: contoso.example, show: full }
  - { local: "*@contoso.example", show: availability }
messages:
  allow: both
  maxBytes: 1000
iq:
  allow: [ping, "urn:xmpp:mam:2"]
`);
const PING = 'urn:xmpp:ping';

describe('presence: the first rule that names the local user decides', () => {
  it.each([
    [
      'ceo@contoso.example',
      'nothing',
      4,
      'refuse presence-hidden',
      'allow allowed',
      'refuse presence-hidden',
      'refuse presence-hidden',
      'refuse presence-hidden',
      'refuse presence-hidden',
    ],
    [
      'any@board.contoso.example',
      'nothing',
      4,
      'refuse presence-hidden',
      'allow allowed',
      'refuse presence-hidden',
      'refuse presence-hidden',
      'refuse presence-hidden',
      'refuse presence-hidden',
    ],
    [
      'alice@contoso.example',
      'availability',
      9,
      'reshape presence-reduced',
      'allow allowed',
      'allow allowed',
      'allow allowed',
      'reshape presence-reduced',
      'allow allowed',
    ],
    [
      'status@contoso.example',
      'status',
      5,
      'reshape presence-reduced',
      'allow allowed',
      'allow allowed',
      'allow allowed',
      'reshape presence-reduced',
      'allow allowed',
    ],
    [
      'full@contoso.example',
      'full',
      6,
      'allow allowed',
      'allow allowed',
      'allow allowed',
      'allow allowed',
      'allow allowed',
      'allow allowed',
    ],
    [
      'contoso.example',
      'full',
      8,
      'allow allowed',
      'allow allowed',
      'allow allowed',
      'allow allowed',
      'allow allowed',
      'allow allowed',
    ],
    [
      'ALICE@Contoso.example/Phone',
      'availability',
      9,
      'reshape presence-reduced',
      'allow allowed',
      'allow allowed',
      'allow allowed',
      'reshape presence-reduced',
      'allow allowed',
    ],
    [
      'x@elsewhere.example',
      undefined,
      undefined,
      'refuse policy-silent',
      'refuse policy-silent',
      'refuse policy-silent',
      'refuse policy-silent',
      'refuse policy-silent',
      'refuse policy-silent',
    ],
    [
      'board.contoso.example',
      undefined,
      undefined,
      'refuse policy-silent',
      'refuse policy-silent',
      'refuse policy-silent',
      'refuse policy-silent',
      'refuse policy-silent',
      'refuse policy-silent',
    ],
  ] as const)('%s is shown %s', (who, show, line, presenceOut, presenceIn, asks, isAsked, joinOut, joinIn) => {
    const said = (kind: Kind, direction: 'inbound' | 'outbound') => {
      const verdict = judge(partner, ask(kind, direction, { who }));
      expect(verdict.show).toBe(show);
      expect(verdict.rule?.line).toBe(line);
      return `${verdict.verdict} ${verdict.reason}`;
    };
    expect({
      presenceOut: said('presence', 'outbound'),
      presenceIn: said('presence', 'inbound'),
      asks: said('subscription', 'outbound'),
      isAsked: said('subscription', 'inbound'),
      joinOut: said('join', 'outbound'),
      joinIn: said('join', 'inbound'),
    }).toEqual({ presenceOut, presenceIn, asks, isAsked, joinOut, joinIn });
    expect(presenceVisibility(partner, address(who))).toMatchObject({ show });
    expect(presenceVisibility(partner, address(who)).rule?.line).toBe(line);
  });

  it('of nobody is seen without a partner', () => {
    expect(presenceVisibility(undefined, address('alice@contoso.example'))).toEqual({
      show: undefined,
      rule: undefined,
    });
  });
});

describe('messages', () => {
  it.each([
    ['both', 'allowed', 'allowed'],
    ['inbound', 'allowed', 'direction-denied'],
    ['outbound', 'direction-denied', 'allowed'],
    ['none', 'direction-denied', 'direction-denied'],
  ])('allow: %s', (allow, inbound, outbound) => {
    const policy = policyOf(`partner: fabrikam.example\nmessages: { allow: ${allow} }`);
    expect(judge(policy, ask('message', 'inbound')).reason).toBe(inbound);
    expect(judge(policy, ask('message', 'outbound')).reason).toBe(outbound);
  });

  it('of a silent policy do not cross', () => {
    expect(judge(policyOf('partner: fabrikam.example'), ask('message', 'inbound'))).toEqual({
      verdict: 'refuse',
      reason: 'policy-silent',
      rule: undefined,
    });
  });

  it.each([
    [undefined, 'allowed', 11],
    [1_000, 'allowed', 11],
    [1_001, 'message-too-big', 12],
  ])('of %s bytes: %s, by line %d', (bytes, reason, line) => {
    const verdict = judge(partner, ask('message', 'inbound', bytes === undefined ? {} : { bytes }));
    expect([verdict.reason, verdict.rule?.line]).toEqual([reason, line]);
  });

  it('may have 262144 bytes where the policy gives no size', () => {
    const policy = policyOf('partner: fabrikam.example\nmessages: { allow: both }');
    expect(judge(policy, ask('message', 'inbound', { bytes: 262_144 })).reason).toBe('allowed');
    expect(judge(policy, ask('message', 'inbound', { bytes: 262_145 })).reason).toBe('message-too-big');
  });
});

describe('IQs', () => {
  const silent = policyOf('partner: fabrikam.example\npresence: [{ local: "*", show: full }]');
  const none = policyOf('partner: fabrikam.example\niq: { allow: [] }\npresence: [{ local: "*", show: full }]');

  it.each([
    [PING, 'allowed', 'allowed', 'iq-namespace-denied'],
    ['http://jabber.org/protocol/disco#info', 'iq-namespace-denied', 'allowed', 'iq-namespace-denied'],
    ['http://jabber.org/protocol/disco#items', 'iq-namespace-denied', 'allowed', 'iq-namespace-denied'],
    ['jabber:iq:version', 'iq-namespace-denied', 'allowed', 'iq-namespace-denied'],
    ['urn:xmpp:mam:2', 'allowed', 'iq-namespace-denied', 'iq-namespace-denied'],
    ['urn:xmpp:mam:1', 'iq-namespace-denied', 'iq-namespace-denied', 'iq-namespace-denied'],
    ['', 'iq-namespace-denied', 'iq-namespace-denied', 'iq-namespace-denied'],
  ])('of %s: %s by list, %s by default, %s by an empty list', (namespace, listed, byDefault, byNone) => {
    for (const direction of ['inbound', 'outbound'] as const) {
      expect(judge(partner, ask('iq', direction, { namespace })).reason).toBe(listed);
      expect(judge(silent, ask('iq', direction, { namespace })).reason).toBe(byDefault);
      expect(judge(none, ask('iq', direction, { namespace })).reason).toBe(byNone);
    }
  });

  it('without a namespace do not cross', () => {
    expect(judge(silent, ask('iq', 'inbound')).reason).toBe('iq-namespace-denied');
  });

  it.each([
    ['ceo@contoso.example', 'presence-hidden', 4],
    ['x@elsewhere.example', 'presence-hidden', undefined],
    ['board.contoso.example', 'allowed', 14],
    ['alice@contoso.example', 'allowed', 14],
  ])(
    'between %s and the partner: %s both ways, for asking and answering show that somebody is there',
    (who, reason, line) => {
      for (const direction of ['inbound', 'outbound'] as const) {
        const verdict = judge(partner, ask('iq', direction, { who, namespace: PING }));
        expect([verdict.reason, verdict.rule?.line]).toEqual([reason, line]);
      }
    },
  );
});

describe('calls', () => {
  const callers = policyOf(`partner: fabrikam.example
calls:
  allow: inbound
  destinations:
    - { deny: [premium] }
    - { allow: [mobile, fixed], countries: [US, DE] }
  transfers: allow
numbers:
  - { e164: "+1202555*", address: "*@contoso.example" }
`);

  it.each([
    ['call', 'inbound', 'alice@contoso.example', 'allowed', 3],
    ['call', 'inbound', '200@contoso.example', 'allowed', 3],
    ['call', 'outbound', 'alice@contoso.example', 'direction-denied', 3],
    ['transfer', 'inbound', 'alice@contoso.example', 'allowed', 3],
    // A local user's number, by `numbers`.
    ['call', 'inbound', '+12025550123@contoso.example', 'allowed', 3],
    ['call', 'inbound', '+493012345678@contoso.example', 'allowed', 6],
    ['call', 'inbound', '+4915123456789@contoso.example', 'allowed', 6],
    ['call', 'inbound', '+33123456789@contoso.example', 'destination-denied', 4],
    ['call', 'inbound', '+499001234567@contoso.example', 'destination-denied', 5],
    ['call', 'inbound', '+881612345678@contoso.example', 'destination-denied', 4],
    ['call', 'inbound', '+4912@contoso.example', 'destination-denied', 4],
    ['transfer', 'inbound', '+33123456789@contoso.example', 'destination-denied', 4],
  ] as const)('%s %s %s: %s', (kind, direction, who, reason, line) => {
    const { reason: said, rule } = judge(callers, ask(kind, direction, { who, via: 'sip' }));
    expect([said, rule?.line]).toEqual([reason, line]);
  });

  it('may not be transferred unless a line says so', () => {
    const silent = policyOf('partner: fabrikam.example\ncalls: { allow: both }');
    expect(judge(silent, ask('transfer', 'inbound', { via: 'sip' })).reason).toBe('transfer-denied');
    expect(judge(silent, ask('call', 'inbound', { who: '+493012345678@contoso.example', via: 'sip' }))).toMatchObject({
      reason: 'destination-denied',
      rule: undefined,
    });
  });

  it('says what a number is', () => {
    const considered: Consideration[] = [];
    judge(callers, ask('call', 'inbound', { who: '+499001234567@contoso.example', via: 'sip' }), considered);
    expect(considered.at(-1)).toMatchObject({ line: 5, matched: true, why: '+499001234567 is premium, DE' });
  });
});

describe('silence is no', () => {
  const kinds: Kind[] = ['message', 'presence', 'subscription', 'call', 'transfer', 'join'];
  it.each(kinds)('for a %s', (kind) => {
    for (const direction of ['inbound', 'outbound'] as const) {
      expect(judge(policyOf('partner: fabrikam.example'), ask(kind, direction)).verdict).toBe('refuse');
      expect(judge(undefined, ask(kind, direction))).toEqual({
        verdict: 'refuse',
        reason: 'no-partner',
        rule: undefined,
      });
    }
  });
});

describe('explaining', () => {
  it('lists the rules looked at, as written, up to the one that decided', () => {
    const considered: Consideration[] = [];
    judge(partner, ask('presence', 'outbound', { who: 'status@contoso.example' }), considered);
    expect(considered).toEqual([
      {
        file: 'partner.yaml',
        line: 4,
        rule: '{ local: "group:executives", show: nothing }',
        matched: false,
        why: '"group:executives" does not mean status@contoso.example',
      },
      {
        file: 'partner.yaml',
        line: 5,
        rule: '{ local: "status@contoso.example", show: status }',
        matched: true,
        why: '"status@contoso.example" means status@contoso.example',
      },
    ]);
  });

  it.each([
    ['message', {}, 'messages: allow: both maxBytes: 1000', true],
    ['message', { bytes: 2_000 }, 'messages: allow: both maxBytes: 1000', false],
    ['iq', { namespace: 'urn:other' }, 'iq: allow: [ping, "urn:xmpp:mam:2"]', false],
  ] as const)('a %s of %j', (kind, more, rule, matched) => {
    const considered: Consideration[] = [];
    judge(partner, ask(kind, 'inbound', more), considered);
    expect(considered[0]).toMatchObject({ rule, matched });
  });

  it.each(['message', 'presence', 'iq', 'call'] as const)('a %s names the section that is absent', (kind) => {
    const considered: Consideration[] = [];
    judge(policyOf('partner: fabrikam.example'), ask(kind, 'inbound', { namespace: PING }), considered);
    expect(considered[0]).toMatchObject({ file: 'partner.yaml', line: 1, rule: expect.stringContaining('absent') });
  });

  it('changes no verdict', () => {
    for (const kind of ['message', 'presence', 'subscription', 'iq', 'call', 'join'] as const) {
      const question = ask(kind, 'inbound', { namespace: PING, bytes: 5 });
      expect(judge(partner, question, [])).toBe(judge(partner, question));
    }
  });
});

it('verdicts are frozen, and the same object whenever the same rule decides', () => {
  const first = judge(partner, ask('presence', 'outbound'));
  expect(judge(partner, ask('presence', 'outbound', { who: 'other@contoso.example' }))).toBe(first);
  expect(Object.isFrozen(first)).toBe(true);
});

describe('a partner that speaks one protocol', () => {
  const text =
    'partner: fabrikam.example\nspeaks: sip\nmessages: { allow: both }\npresence: [{ local: "*", show: full }]';

  it.each([
    ['sip', 'xmpp', 'refuse protocol-denied 2'],
    ['sip', 'sip', 'allow allowed 3'],
    ['xmpp', 'sip', 'refuse protocol-denied 2'],
    ['xmpp', 'xmpp', 'allow allowed 3'],
    ['auto', 'sip', 'allow allowed 3'],
    ['auto', 'xmpp', 'allow allowed 3'],
  ] as const)('speaks %s: a message by %s: %s', (speaks, via, expected) => {
    const considered: Consideration[] = [];
    const written = policyOf(text.replace('sip', speaks));
    const { verdict, reason, rule } = judge(written, { ...ask('message', 'inbound'), via }, considered);
    expect(`${verdict} ${reason} ${rule?.line}`).toBe(expected);
    if (verdict === 'refuse') expect(considered).toMatchObject([{ line: 2, rule: `speaks: ${speaks}` }]);
  });
});
