import { afterEach, describe, expect, it } from 'vitest';
import { POLICY, SipBorder } from './testing/sip-border.fixture.ts';

let border: SipBorder;
const open = (...args: ConstructorParameters<typeof SipBorder>): SipBorder => {
  border = new SipBorder(...args);
  return border;
};

afterEach(() => border.close());

const reasonsOf = () => border.refusals.map(({ event, reason }) => `${event} ${reason}`);
const kept = () => border.bridge.kept.kept;

describe('a message', () => {
  it('is a MESSAGE, and kept until the partner has taken it', async () => {
    open();
    border.say('hello');
    await border.settled();
    const [sent] = border.trunk.sent;
    expect(sent?.request).toMatchObject({
      method: 'MESSAGE',
      target: 'sip:bob@fabrikam.example',
      from: { uri: 'sip:ann@contoso.example;gr=desk' },
      hops: 69,
      body: { content: Buffer.from('hello') },
    });
    expect(kept()).toBe(1);
    sent?.reply(200);
    await border.settled();
    expect(kept()).toBe(0);
    expect(border.atHome).toEqual([]);
  });

  it.each([202, 299])('is delivered by %i', async (status) => {
    open();
    border.trunk.replies = () => status;
    border.say('hello');
    await border.settled();
    expect([kept(), border.atHome]).toEqual([0, []]);
  });

  it.each([
    [404, 'item-not-found'],
    [480, 'recipient-unavailable'],
    [603, 'recipient-unavailable'],
    [301, 'gone'],
    [503, 'internal-server-error'],
    [415, 'not-acceptable'],
    [699, 'recipient-unavailable'],
  ])('that gets %i comes back with %s', async (status, condition) => {
    open();
    border.trunk.replies = () => status;
    border.say('m1');
    await border.settled();
    expect(border.atHome).toEqual([`m1 ${condition}`]);
    expect(border.delivered[0]).toMatchObject({ from: 'bob@fabrikam.example', to: 'ann@contoso.example/desk' });
    expect(kept()).toBe(0);
    expect(reasonsOf()).toEqual(['sip-refused sip-rejected']);
  });

  it('comes back however little the partner itself may say', async () => {
    open({ policies: [`${POLICY}limits: { messages: { rate: 1/min, burst: 2 } }\n`] });
    border.trunk.replies = () => 404;
    for (let index = 0; index < 2; index++) await border.request();
    for (const id of ['1', '2']) border.say(id);
    await border.settled();
    expect(border.atHome.slice(2)).toEqual(['1 item-not-found', '2 item-not-found']);
    expect(kept()).toBe(0);
  });

  it('tells the words of the refusal', async () => {
    open();
    border.say('m1');
    await border.settled();
    border.trunk.sent[0]?.reply(486, { reason: 'In A Meeting' });
    await border.settled();
    expect(border.delivered[0]?.bytes.toString()).toContain('>In A Meeting</text>');
  });

  it('comes back to a client that spells the domain its own way', async () => {
    open();
    border.trunk.replies = () => 404;
    border.say('m1', 'Bob@Fabrikam.Example/desk');
    await border.settled();
    expect(border.delivered[0]).toMatchObject({ from: 'Bob@fabrikam.example/desk', type: 'error' });
  });

  it.each(['timeout', 'transport'] as const)('whose answer never came (%s) is in doubt', async (origin) => {
    open();
    border.say('m1');
    await border.settled();
    border.trunk.sent[0]?.reply(408, { origin });
    await border.settled();
    expect(border.atHome).toEqual(['m1 remote-server-timeout']);
    expect(reasonsOf()).toEqual(['stanza-undeliverable delivery-doubtful']);
    expect(border.trunk.sent.length).toBe(1);
  });

  it.each([
    ['too long for a MESSAGE', `<body>${'x'.repeat(1_300)}</body>`, 'chat', 'page-too-long'],
    ['group chat', '<body>x</body>', 'groupchat', 'groupchat-not-carried'],
  ])('%s comes back', async (_what, content, type, reason) => {
    open();
    border.says(
      `<message from="ann@contoso.example" to="bob@fabrikam.example" id="m1" type="${type}">${content}</message>`,
    );
    await border.settled();
    expect(border.atHome).toEqual([expect.stringMatching(/^m1 (policy-violation|feature-not-implemented)$/)]);
    expect(reasonsOf()).toEqual([`sip-refused ${reason}`]);
    expect([kept(), border.trunk.sent.length]).toEqual([0, 0]);
  });

  it('may be longer where the trunk says so', async () => {
    open({ policies: [`${POLICY}trunk: { messageBytes: 64KiB }\n`] });
    border.say('x'.repeat(10_000));
    await border.settled();
    expect(border.texts.map(({ length }) => length)).toEqual([10_000]);
  });

  it('without a body, such as a chat state, is dropped and settled', async () => {
    open();
    border.says(
      '<message from="ann@contoso.example" to="bob@fabrikam.example" type="chat"><composing xmlns="http://jabber.org/protocol/chatstates"/></message>',
    );
    await border.settled();
    expect([kept(), border.trunk.sent.length, border.atHome, reasonsOf()]).toEqual([0, 0, [], []]);
  });

  it.each([
    ['that was here before', 'hops="60" via="a contoso.example"'],
    ['without hops left', 'hops="0" via="a"'],
  ])('%s is a loop', async (_what, marker) => {
    open();
    border.says(
      `<message from="ann@contoso.example" to="bob@fabrikam.example" id="m1"><body>x</body><loop xmlns="urn:drawbridge:loop:1" ${marker}/></message>`,
    );
    await border.settled();
    expect([border.trunk.sent.length, border.atHome, reasonsOf()]).toEqual([
      0,
      ['m1 not-acceptable'],
      ['stanza-undeliverable loop-detected'],
    ]);
  });

  it('passes on the hops that it has left', async () => {
    open();
    border.says(
      '<message from="ann@contoso.example" to="bob@fabrikam.example" id="m1"><body>x</body><loop xmlns="urn:drawbridge:loop:1" hops="7" via="other"/></message>',
    );
    await border.settled();
    expect(border.trunk.sent[0]?.request.hops).toBe(6);
  });
});

describe('what SIP does not carry', () => {
  it.each([
    [
      'a question',
      '<iq from="ann@contoso.example/d" to="fabrikam.example" type="get" id="q1"><ping xmlns="urn:xmpp:ping"/></iq>',
      ['q1 feature-not-implemented'],
    ],
    [
      'a request for presence',
      '<presence from="ann@contoso.example" to="bob@fabrikam.example" type="subscribe" id="s1"/>',
      ['s1 feature-not-implemented'],
    ],
    ['presence', '<presence from="ann@contoso.example/d" to="bob@fabrikam.example"/>', []],
    [
      'an answer to a request for presence',
      '<presence from="ann@contoso.example" to="bob@fabrikam.example" type="subscribed"/>',
      [],
    ],
  ])('%s', async (_what, xml, atHome) => {
    open({ policies: [`${POLICY}presence: [{ local: "*", show: full }]\n`] });
    border.says(xml);
    await border.settled();
    expect([border.atHome, kept(), border.trunk.sent.length]).toEqual([atHome, 0, 0]);
  });
});

describe('order', () => {
  it('is kept in a conversation: one MESSAGE at a time', async () => {
    open();
    for (const text of ['1', '2', '3']) border.say(text);
    await border.settled();
    expect(border.texts).toEqual(['1']);
    border.trunk.sent[0]?.reply(200);
    await border.settled();
    border.trunk.sent[1]?.reply(480);
    await border.settled();
    expect(border.texts).toEqual(['1', '2', '3']);
  });

  it('of conversations does not matter: they go side by side, as many as may', async () => {
    open({ messaging: { queue: { messages: 100, bytes: 1_000_000, parallel: 3 } } });
    for (let index = 0; index < 5; index++) border.say(`${index}`, `bob${index}@fabrikam.example`);
    await border.settled();
    expect(border.texts).toEqual(['0', '1', '2']);
    border.trunk.sent[1]?.reply(200);
    await border.settled();
    expect(border.texts).toEqual(['0', '1', '2', '3']);
  });

  it('is one conversation whatever the devices', async () => {
    open();
    border.say('1');
    border.says(
      '<message from="ann@contoso.example/phone" to="bob@fabrikam.example/x" id="2"><body>2</body></message>',
    );
    await border.settled();
    expect(border.texts).toEqual(['1']);
  });
});

describe('a queue that is full', () => {
  it('takes no more than its bounds, and goes on where it was', async () => {
    // It asks for a pause at half of them.
    open({ messaging: { queue: { messages: 8, bytes: 1_000_000, parallel: 2 } } });
    for (let index = 0; index < 12; index++) border.say(`${index}`);
    await border.settled();
    expect(border.edge.load.outgoing).toBe(4);
    for (let index = 0; index < 12; index++) {
      border.trunk.sent[index]?.reply(200);
      await border.settled();
      expect(border.edge.load.outgoing).toBeLessThanOrEqual(4);
    }
    expect(border.texts).toEqual(Array.from({ length: 12 }, (_, index) => `${index}`));
    expect(kept()).toBe(0);
  });

  it('returns what nothing keeps', async () => {
    open({ keep: false, messaging: { queue: { messages: 1, bytes: 1_000_000, parallel: 2 } } });
    border.say('1');
    border.say('2');
    expect(border.atHome).toEqual(['2 resource-constraint']);
  });
});

describe('a trunk that is down', () => {
  it('has messages wait where they are kept, until it is up', async () => {
    open();
    border.trunkIs('down');
    for (const text of ['1', '2']) border.say(text);
    await border.settled();
    expect([border.texts, kept()]).toEqual([[], 2]);
    border.trunk.replies = () => 200;
    border.trunkIs('up');
    await border.settled();
    expect([border.texts, kept()]).toEqual([['1', '2'], 0]);
  });

  it('is tried now and then all the same', async () => {
    open();
    border.trunk.state = 'down';
    border.trunk.replies = () => 200;
    border.say('1');
    await border.settled();
    expect(border.texts).toEqual([]);
    border.clock.advance(60_000);
    await border.settled();
    expect([border.texts, kept()]).toEqual([['1'], 0]);
  });

  it('for a reason that lasts gives back all that waits', async () => {
    open();
    border.trunk.state = 'down';
    for (const text of ['1', '2']) border.say(text);
    await border.settled();
    border.clock.advance(60_000);
    await border.settled();
    expect(border.texts).toEqual(['1']);
    border.trunk.sent[0]?.reply(503, { origin: 'unsent', reason: 'certificate-expired' });
    await border.settled();
    expect(border.atHome).toEqual(['1 not-authorized', '2 not-authorized']);
    expect(reasonsOf()).toContain('partner-unreachable certificate-expired');
  });

  it('gives back what nothing keeps', () => {
    open({ keep: false });
    border.trunkIs('down');
    border.say('1');
    expect(border.atHome).toEqual(['1 remote-server-timeout']);
  });
});

describe('what was certainly not sent', () => {
  it('is sent again later, in order and once, with longer and longer waits', async () => {
    open();
    for (const text of ['1', '2']) border.say(text);
    border.say('3', 'carl@fabrikam.example');
    await border.settled();
    expect(border.texts).toEqual(['1', '3']);
    border.trunk.sent[0]?.reply(503, { origin: 'unsent', reason: 'ECONNREFUSED' });
    await border.settled();
    border.trunk.sent[1]?.reply(503, { origin: 'unsent' });
    await border.settled();
    expect([border.trunk.sent.length, kept(), border.atHome]).toEqual([2, 3, []]);
    border.trunk.replies = () => 200;
    border.clock.advance(60_000);
    await border.settled();
    expect([border.texts.slice(2).sort(), kept()]).toEqual([['1', '2', '3'], 0]);
    expect(border.texts.indexOf('1', 2)).toBeLessThan(border.texts.indexOf('2'));
    expect(reasonsOf()).toEqual(['partner-unreachable remote-unreachable']);
  });

  it.each([
    ['dns-not-found', 'remote-server-not-found'],
    ['certificate-wrong-name', 'not-authorized'],
  ])('for a reason that lasts (%s) comes back at once, and so does what follows', async (reason, condition) => {
    open();
    for (const text of ['1', '2']) border.say(text);
    await border.settled();
    border.trunk.sent[0]?.reply(503, { origin: 'unsent', reason });
    await border.settled();
    border.say('3');
    await border.settled();
    expect(border.atHome).toEqual(['1', '2', '3'].map((id) => `${id} ${condition}`));
    expect(border.trunk.sent.length).toBe(1);
    border.clock.advance(60_000);
    border.say('4');
    await border.settled();
    expect(border.texts).toEqual(['1', '4']);
  });

  it('for a reason that lasts comes back from every conversation', async () => {
    open();
    border.say('1');
    border.say('2', 'carl@fabrikam.example');
    await border.settled();
    for (const sent of border.trunk.sent) sent.reply(503, { origin: 'unsent', reason: 'certificate-expired' });
    await border.settled();
    expect(border.atHome).toEqual(['1 not-authorized', '2 not-authorized']);
    expect(kept()).toBe(0);
  });

  it('as it holds what no SIP message may comes back, and stops nobody', async () => {
    open();
    for (const text of ['1', '2']) border.say(text);
    await border.settled();
    border.trunk.sent[0]?.reply(400, { origin: 'unsent', reason: 'sip-unsendable' });
    await border.settled();
    expect([border.atHome, border.texts]).toEqual([['1 bad-request'], ['1', '2']]);
  });

  it('leads nowhere where there is no trunk', async () => {
    open({ policies: [POLICY, 'partner: tailspin.example\nspeaks: sip\nmessages: { allow: both }\n'] });
    border.say('1', 'eve@tailspin.example');
    await border.settled();
    expect([border.atHome, kept()]).toEqual([['1 remote-server-not-found'], 0]);
  });
});

it('a gateway that stops tells once of what nothing keeps and nobody answered', async () => {
  open({ keep: false });
  border.say('1');
  const closing = border.edge.close();
  border.clock.advance(10_000);
  await closing;
  border.trunk.sent[0]?.reply(503, { origin: 'transport' });
  await border.settled();
  expect(border.atHome).toEqual(['1 remote-server-timeout']);
});

it('a gateway that stops gives back what waits and lets what is under way end', async () => {
  open();
  for (const text of ['1', '2']) border.say(text);
  await border.settled();
  let closed = false;
  const closing = border.edge.close().then(() => {
    closed = true;
  });
  await border.settled();
  expect([closed, kept()]).toEqual([false, 2]);
  border.trunk.sent[0]?.reply(200);
  await closing;
  await border.settled();
  expect([border.texts, kept(), border.clock.pending]).toEqual([['1'], 1, 0]);
});
