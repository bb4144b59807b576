import { afterEach, describe, expect, it } from 'vitest';
import type { Stanza } from '../../bridge/stanza.ts';
import { POLICY, SipBorder } from './testing/sip-border.fixture.ts';

let border: SipBorder;
const open = (...args: ConstructorParameters<typeof SipBorder>): SipBorder => {
  border = new SipBorder(...args);
  return border;
};

afterEach(() => border.close());

const reasonsOf = () => border.refusals.map(({ event, reason }) => `${event} ${reason}`);

describe('a MESSAGE that crosses', () => {
  it('is a message stanza, and 200 once the home has taken it', async () => {
    open();
    expect(await border.request({ text: 'good morning' })).toEqual({ status: 200 });
    const [message] = border.delivered;
    expect(message).toMatchObject({ name: 'message', from: 'bob@fabrikam.example', to: 'ann@contoso.example' });
    expect(message?.bytes.toString()).toContain('<body>good morning</body>');
    expect(message?.id).toMatch(/^sip-\d{32}$/);
  });

  it('is 200 without an outbox too', async () => {
    open({ keep: false });
    expect(await border.request()).toEqual({ status: 200 });
  });

  it('waits for the home to say so', async () => {
    open();
    border.home = () => 'more';
    const answers: number[] = [];
    void border.request().then(({ status }) => answers.push(status));
    await border.settled();
    expect(answers).toEqual([]);
    border.takes(border.delivered[0] as Stanza);
    await border.settled();
    expect(answers).toEqual([200]);
    expect(border.clock.pending).toBe(0);
  });

  it('is 202 where it is kept and the home takes too long', async () => {
    open();
    border.home = () => 'none';
    const answer = border.request();
    await border.settled();
    border.clock.advance(5_000);
    expect(await answer).toEqual({ status: 202 });
  });

  it('is 500 where nobody knows that it is kept', async () => {
    open();
    const answer = border.request();
    border.clock.advance(5_000);
    expect(await answer).toMatchObject({ status: 500 });
    expect(reasonsOf()).toEqual(['sip-refused sip-not-kept']);
  });

  it('carries how many hops it has left', async () => {
    open();
    await border.request({ hops: 12 });
    expect(border.delivered[0]?.bytes.toString()).toContain('hops="11" via="contoso.example"');
  });

  it('is of a domain in U-labels as XMPP writes it', async () => {
    open({ policies: ['partner: bücher.example\nspeaks: sip\nmessages: { allow: both }\n'] });
    const trunk = Object.assign(Object.create(border.trunk), { domain: 'xn--bcher-kva.example' });
    expect(await border.request({ trunk, from: { uri: 'sip:bob@xn--bcher-kva.example' } })).toEqual({ status: 200 });
    expect(border.delivered[0]?.from).toBe('bob@bücher.example');
  });
});

describe('a MESSAGE that comes back', () => {
  it.each([
    ['the policy', 'partner: fabrikam.example\nspeaks: sip\nmessages: { allow: outbound }\n', 403, 'direction-denied'],
    ['its silence', 'partner: fabrikam.example\nspeaks: sip\n', 403, 'policy-silent'],
    [
      'another protocol',
      'partner: fabrikam.example\nspeaks: xmpp\nmessages: { allow: both }\n',
      403,
      'protocol-denied',
    ],
    [
      'a size',
      'partner: fabrikam.example\nspeaks: sip\nmessages: { allow: both, maxBytes: 100B }\n',
      403,
      'message-too-big',
    ],
  ])('by %s has its status', async (_what, policy, status, reason) => {
    open({ policies: [policy] });
    expect(await border.request({ text: 'x'.repeat(100) })).toMatchObject({ status });
    expect(reasonsOf()).toEqual([`stanza-refused ${reason}`]);
    expect(border.delivered).toEqual([]);
  });

  it('has its status at once, though no way leads to its sender and much waits there', async () => {
    open();
    border.trunk.state = 'down';
    border.say('waits');
    border.home = (handed) => {
      border.homeRefuses(handed, 'not-allowed');
      return border.takes(handed);
    };
    await border.settled();
    const answer = border.request();
    await border.settled();
    border.clock.advance(5_000);
    expect(await answer).toMatchObject({ status: 403 });
    expect(border.bridge.kept.kept).toBe(1);
  });

  it('over its rate has 500', async () => {
    open({ policies: [`${POLICY}limits: { messages: { rate: 1/min, burst: 1 } }\n`] });
    expect(await border.request()).toMatchObject({ status: 200 });
    expect(await border.request()).toMatchObject({ status: 500 });
    expect(reasonsOf()).toEqual(['stanza-refused rate-messages']);
  });

  it.each([
    ['item-not-found', 604],
    ['service-unavailable', 403],
    ['recipient-unavailable', 600],
    ['resource-constraint', 500],
  ])('by the home with %s has %i, though the home took it', async (condition, status) => {
    open();
    // The error is read before the home says that it has taken all before it.
    border.home = (handed) => {
      border.homeRefuses(handed, condition);
      return border.takes(handed);
    };
    expect(await border.request()).toMatchObject({ status });
  });

  it('by the home in the same turn as many others, each has its own status', async () => {
    open();
    const held: Stanza[] = [];
    border.home = (handed) => {
      held.push(handed);
      return 'more';
    };
    const answers = Promise.all(Array.from({ length: 40 }, (_, index) => border.request({ callId: `c${index}` })));
    await border.settled();
    for (const [index, handed] of held.entries()) if (index % 2 === 0) border.homeRefuses(handed, 'not-allowed');
    for (const handed of held) border.takes(handed);
    expect((await answers).map(({ status }) => status)).toEqual(held.map((_, index) => (index % 2 === 0 ? 403 : 200)));
  });

  it('by the home has its status, and what waits for the trunk still goes', async () => {
    open();
    border.trunkIs('down');
    border.say('waits');
    border.home = () => 'more';
    const answer = border.request();
    await border.settled();
    border.trunkIs('up');
    border.homeRefuses(border.delivered[0] as Stanza, 'not-allowed');
    border.takes(border.delivered[0] as Stanza);
    expect(await answer).toMatchObject({ status: 403 });
    await border.settled();
    expect(border.texts).toEqual(['waits']);
  });

  it('from a device has the status of one', async () => {
    open();
    border.home = (handed) => {
      border.homeRefuses(handed, 'item-not-found');
      return 'more';
    };
    const target = 'sip:ann@contoso.example;gr=desk';
    expect(await border.request({ target, to: { uri: target } })).toMatchObject({ status: 404 });
  });

  it('as the gateway could not pass it on has that status', async () => {
    open();
    border.home = (handed) => {
      border.bridge.undeliverable(handed, 'user-unknown');
      return 'more';
    };
    expect(await border.request()).toMatchObject({ status: 403 });
  });
});

describe('an error behind the 2xx', () => {
  it('is told by a MESSAGE to the sender, once', async () => {
    open();
    border.home = () => 'none';
    const answer = border.request({ callId: 'call-7', text: 'hello' });
    await border.settled();
    border.clock.advance(5_000);
    expect(await answer).toEqual({ status: 202 });
    border.homeRefuses(border.delivered[0] as Stanza, 'recipient-unavailable', 'wait');
    border.homeRefuses(border.delivered[0] as Stanza, 'recipient-unavailable', 'wait');
    await border.settled();
    expect(border.trunk.sent.map(({ request }) => request)).toEqual([
      {
        method: 'MESSAGE',
        target: 'sip:bob@fabrikam.example',
        from: { uri: 'sip:ann@contoso.example' },
        to: { uri: 'sip:bob@fabrikam.example' },
        headers: [['In-Reply-To', 'call-7']],
        body: {
          type: 'text/plain;charset=UTF-8',
          content: Buffer.from('Your message was not delivered: recipient unavailable.'),
        },
      },
    ]);
    border.trunk.sent[0]?.reply(200);
    await border.settled();
    expect(border.bridge.kept.kept).toBe(1);
  });

  it('is told after a restart too, without the Call-ID', async () => {
    open();
    border.says(
      '<message from="ann@contoso.example" to="bob@fabrikam.example" type="error" id="sip-before"><error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>',
    );
    await border.settled();
    expect(border.texts).toEqual(['Your message was not delivered: gone.']);
    expect(border.trunk.sent[0]?.request.headers).toEqual([]);
  });

  it('about what never came in is told to nobody', async () => {
    open();
    border.says(
      '<message from="ann@contoso.example" to="bob@fabrikam.example" type="error" id="m1"><error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>',
    );
    await border.settled();
    expect(border.texts).toEqual([]);
    expect(border.bridge.kept.kept).toBe(0);
  });
});

describe('a request that does not cross', () => {
  it.each([
    ['sips: as Request-URI', { target: 'sips:ann@contoso.example' }, 480, 'sips-not-bridged'],
    ['SIPS: as Request-URI', { target: 'SIPS:ann@contoso.example' }, 480, 'sips-not-bridged'],
    ['sips: in To', { to: { uri: 'sips:ann@contoso.example' } }, 480, 'sips-not-bridged'],
    ['REFER', { method: 'REFER' }, 405, 'sip-method'],
    ['a domain that is not ours', { target: 'sip:ann@northwind.example' }, 404, 'domain-not-home'],
    ['a sender of another domain', { from: { uri: 'sip:eve@tailspin.example' } }, 403, 'sender-not-proven'],
    ['our own domain as the sender', { from: { uri: 'sip:ceo@contoso.example' } }, 403, 'sender-not-proven'],
    ['no URI', { target: 'urn:service:sos' }, 416, 'sip-not-a-message'],
    ['an image', { body: { type: 'image/png', content: Buffer.from('x') } }, 415, 'sip-not-a-message'],
    ['no hops left', { hops: 0 }, 483, 'loop-detected'],
    [
      'addresses without end',
      {
        target: `sip:ann@contoso.example;gr=${'a'.repeat(1_000)}`,
        from: { uri: `sip:${'b'.repeat(900)}@fabrikam.example` },
      },
      414,
      'address-malformed',
    ],
  ])('%s', async (_what, request, status, reason) => {
    open();
    expect(await border.request(request)).toMatchObject({ status });
    expect(reasonsOf()).toEqual([`sip-refused ${reason}`]);
    expect(border.refusals[0]?.fields).toMatchObject({ partner: 'fabrikam.example', status, callId: 'call-1' });
    expect(border.delivered).toEqual([]);
  });

  it('says why sips: does not', async () => {
    open();
    const { headers } = await border.request({ target: 'sips:ann@contoso.example' });
    expect(headers).toEqual([['Warning', '380 contoso.example "SIPS Not Allowed"']]);
  });

  it('sips: crosses where both sides agreed', async () => {
    open({ policies: [`${POLICY}trunk: { sipsToXmpp: true }\n`] });
    expect(await border.request({ target: 'sips:ann@contoso.example' })).toEqual({ status: 200 });
  });

  it('says which methods do', async () => {
    open();
    const { headers } = await border.request({ method: 'PUBLISH' });
    expect(headers).toEqual([['Allow', 'MESSAGE, OPTIONS']]);
  });

  it('from the home PBX', async () => {
    open();
    const trunk = Object.assign(Object.create(border.trunk), { kind: 'home', domain: 'pbx' });
    expect(await border.request({ trunk })).toMatchObject({ status: 403 });
  });
});

describe('a home that wants no more for a moment', () => {
  it('holds MESSAGEs back, in order, and lets them go on', async () => {
    open({ keep: false });
    border.home = (handed) => {
      border.bridge.delivered(handed);
      return 'enough';
    };
    const answers: number[] = [];
    for (let index = 0; index < 4; index++)
      void border.request({ callId: `c${index}` }).then(({ status }) => answers.push(status));
    await border.settled();
    expect([border.delivered.length, answers]).toEqual([1, [200]]);
    border.home = (handed) => border.takes(handed);
    border.bridge.roomForHome('fabrikam.example');
    await border.settled();
    expect([border.delivered.length, answers]).toEqual([4, [200, 200, 200, 200]]);
  });

  it('has them turned away after a while, with when to try again', async () => {
    open({ keep: false });
    border.home = (handed) => {
      border.bridge.delivered(handed);
      return 'enough';
    };
    await border.request();
    const answer = border.request();
    border.clock.advance(5_000);
    expect(await answer).toMatchObject({ status: 503, headers: [['Retry-After', '5']] });
    expect(border.clock.pending).toBe(0);
  });
});

it('a gateway that stops answers what waits, and takes nothing more', async () => {
  open();
  border.home = () => 'none';
  const waits = border.request();
  await border.settled();
  border.edge.cease();
  expect(await waits).toEqual({ status: 202 });
  expect(await border.request()).toMatchObject({ status: 503 });
});
