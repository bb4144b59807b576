import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Client, Home, stanza } from './local-users.fixture.ts';

const ROMEO = 'romeo@contoso.example';
const JULIET = 'juliet@contoso.example';
const ANN = 'ann@fabrikam.example';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home.close());

/** A presence as `type from → to`, whatever the order of its attributes. */
function told(stanzas: readonly string[]): string[] {
  return stanzas
    .map((xml) => stanza(xml))
    .filter(({ name }) => name === 'presence')
    .map(({ from, to, type }) => `${type || 'available'} ${from} → ${to}`);
}

/** Brings the user and the partner's into a state of subscription. */
async function subscribe(client: Client, state: 'to' | 'from' | 'both'): Promise<void> {
  if (state !== 'from') {
    await client.says(`<presence to="${ANN}" type="subscribe"/>`);
    await home.arrives(`<presence from="${ANN}" to="${ROMEO}" type="subscribed"/>`);
  }
  if (state !== 'to') {
    await home.arrives(`<presence from="${ANN}" to="${ROMEO}" type="subscribe"/>`);
    await client.says(`<presence to="${ANN}" type="subscribed"/>`);
  }
  client.take();
  home.takeOutbound();
}

describe('initial presence (RFC 6121 §4.2)', () => {
  it.each([
    ['to', [`probe ${ROMEO} → ${ANN}`]],
    ['from', [`available ${ROMEO}/a → ${ANN}`]],
    ['both', [`available ${ROMEO}/a → ${ANN}`, `probe ${ROMEO} → ${ANN}`]],
  ] as const)('with a contact of subscription %s', async (state, expected) => {
    const client = await home.signIn(`${ROMEO}/a`);
    await subscribe(client, state);
    await client.says('<presence><show>away</show></presence>');
    const sent = home.takeOutbound();
    expect(told(sent)).toEqual(expected);
    if (state !== 'to') expect(sent[0]).toContain('<show>away</show>');
    await client.says('<presence><show>dnd</show></presence>');
    expect(told(home.takeOutbound())).toEqual(expected.filter((one) => !one.startsWith('probe')));
  });

  it('comes back to the user, and each of its resources learns of the others', async () => {
    const one = await home.signIn(`${ROMEO}/a`, '<presence id="1"/>');
    expect(told(one.take())).toEqual([`available ${ROMEO}/a → ${ROMEO}/a`]);
    const two = await home.signIn(`${ROMEO}/b`, '<presence id="2"/>');
    expect(told(one.take())).toEqual([`available ${ROMEO}/b → ${ROMEO}/a`]);
    expect(told(two.take())).toEqual([`available ${ROMEO}/a → ${ROMEO}/b`, `available ${ROMEO}/b → ${ROMEO}/b`]);
    await two.says('<presence type="unavailable"/>');
    expect(told(one.take())).toEqual([`unavailable ${ROMEO}/b → ${ROMEO}/a`]);
  });

  it('passes capabilities and avatar hashes on as they are', async () => {
    const client = await home.signIn(`${ROMEO}/a`);
    await subscribe(client, 'from');
    const content =
      '<c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="n" ver="v="/>' +
      '<x xmlns="vcard-temp:x:update"><photo>cafe</photo></x>';
    await client.says(`<presence>${content}</presence>`);
    expect(home.takeOutbound().join()).toContain(content);
  });
});

describe('a resource that goes', () => {
  it.each(['says so', 'is cut off'])('and %s is unavailable to all who saw it', async (how) => {
    const client = await home.signIn(`${ROMEO}/a`, '<presence/>');
    await subscribe(client, 'both');
    await client.says('<presence to="room@rooms.fabrikam.example/nick"/>');
    await client.says(`<presence to="${ANN}"/>`);
    home.takeOutbound();
    if (how === 'says so') await client.says('<presence type="unavailable"><status>bye</status></presence>');
    else await client.leaves();
    const sent = home.takeOutbound();
    expect(told(sent)).toEqual([
      `unavailable ${ROMEO}/a → ${ANN}`,
      `unavailable ${ROMEO}/a → room@rooms.fabrikam.example/nick`,
    ]);
    if (how === 'says so') expect(sent.join()).toContain('<status>bye</status>');
    if (how === 'says so') await client.leaves();
    expect(home.takeOutbound()).toEqual([]);
  });

  it('tells nobody who was told already', async () => {
    const client = await home.signIn(`${ROMEO}/a`);
    await client.says('<presence to="room@rooms.fabrikam.example/nick"/>');
    await client.says('<presence to="room@rooms.fabrikam.example/nick" type="unavailable"/>');
    home.takeOutbound();
    await client.leaves();
    expect(home.takeOutbound()).toEqual([]);
  });
});

describe('a probe (RFC 6121 §4.3.2)', () => {
  const probe = `<presence from="${ANN}" to="${ROMEO}" type="probe"/>`;

  it('of one who may see is answered with every available resource', async () => {
    const one = await home.signIn(`${ROMEO}/a`, '<presence><show>xa</show></presence>');
    await home.signIn(`${ROMEO}/b`, '<presence/>');
    await home.signIn(`${ROMEO}/c`);
    await subscribe(one, 'from');
    await home.arrives(probe);
    const sent = home.takeOutbound();
    expect(told(sent)).toEqual([`available ${ROMEO}/a → ${ANN}`, `available ${ROMEO}/b → ${ANN}`]);
    expect(sent[0]).toContain('<show>xa</show>');
  });

  it('is answered unavailable where nobody is there', async () => {
    const client = await home.signIn(`${ROMEO}/a`);
    await subscribe(client, 'from');
    await home.arrives(probe);
    expect(told(home.takeOutbound())).toEqual([`unavailable ${ROMEO} → ${ANN}`]);
  });

  it.each([
    ['of a user who does not exist', 'nobody@contoso.example'],
    ['of one whom it may not see', ROMEO],
  ])('%s is answered unsubscribed', async (_who, to) => {
    await home.signIn(`${ROMEO}/a`, '<presence/>');
    await home.arrives(`<presence from="${ANN}/x" to="${to}" type="probe"/>`);
    expect(told(home.takeOutbound())).toEqual([`unsubscribed ${to} → ${ANN}`]);
  });

  it('of a client is nobody’s business', async () => {
    const client = await home.signIn(`${ROMEO}/a`);
    await client.says(`<presence to="${ANN}" type="probe"/>`);
    expect(home.takeOutbound()).toEqual([]);
  });
});

describe('presence of others', () => {
  it.each(['', ' type="unavailable"', ' type="error"'])(
    'to the bare address (%s) reaches all available resources',
    async (type) => {
      const one = await home.signIn(`${ROMEO}/a`, '<presence/>');
      const two = await home.signIn(`${ROMEO}/b`, '<presence><priority>-1</priority></presence>');
      const hidden = await home.signIn(`${ROMEO}/c`);
      for (const client of [one, two, hidden]) client.take();
      await home.arrives(`<presence from="${ANN}/x" to="${ROMEO}"${type}/>`);
      expect([one, two, hidden].map((client) => client.take().length)).toEqual([1, 1, 0]);
      expect(home.delivered).toHaveLength(1);
    },
  );

  it('to a full address reaches that resource, available or not', async () => {
    const one = await home.signIn(`${ROMEO}/a`);
    const two = await home.signIn(`${ROMEO}/b`, '<presence/>');
    two.take();
    await home.arrives(`<presence from="room@rooms.fabrikam.example/n" to="${ROMEO}/a"/>`);
    await home.arrives(`<presence from="room@rooms.fabrikam.example/n" to="${ROMEO}/gone"/>`);
    expect([one.take().length, two.take().length]).toEqual([1, 0]);
  });

  it('to nobody goes unanswered', async () => {
    await home.arrives(`<presence from="${ANN}/x" to="nobody@contoso.example"/>`);
    await home.arrives(`<presence from="${ANN}/x" to="nobody@contoso.example" type="unsubscribe"/>`);
    expect(home.takeOutbound()).toEqual([]);
    expect(home.delivered).toHaveLength(2);
  });
});

it('is asked for anew after a restart, and told anew, by a session that stands', async () => {
  const client = await home.signIn(`${ROMEO}/a`, '<presence><show>away</show><priority>3</priority></presence>');
  await subscribe(client, 'both');
  await client.says('<presence to="room@rooms.fabrikam.example/nick"/>');
  await client.says('<iq type="get" id="r"><query xmlns="jabber:iq:roster"/></iq>');
  home.takeOutbound();
  home.crash((users) => users.restored(client, client.remembered, []));
  await home.done();
  expect(told(home.takeOutbound())).toEqual([`available ${ROMEO}/a → ${ANN}`, `probe ${ROMEO} → ${ANN}`]);
  client.take();
  await home.arrives(`<message from="${ANN}" to="${ROMEO}"><body>x</body></message>`);
  await home.arrives(`<presence from="${ANN}" to="${ROMEO}" type="unsubscribed"/>`);
  expect(client.take().map((xml) => /^<(\w+)/.exec(xml)?.[1])).toEqual(['message', 'presence', 'iq']);
  await client.leaves();
  expect(told(home.takeOutbound())).toContain(`unavailable ${ROMEO}/a → room@rooms.fabrikam.example/nick`);
});

it('is remembered across a restart, however many addresses else were shown it', async () => {
  const client = await home.signIn(`${ROMEO}/a`, '<presence><show>away</show></presence>');
  await subscribe(client, 'both');
  for (let n = 0; n < 40; n++) await client.says(`<presence to="${'x'.repeat(400)}${n}@rooms.fabrikam.example/nick"/>`);
  home.takeOutbound();
  expect(client.remembered.length).toBeLessThan(9_000);
  home.crash((users) => users.restored(client, client.remembered, []));
  await home.done();
  expect(told(home.takeOutbound())).toEqual([`available ${ROMEO}/a → ${ANN}`, `probe ${ROMEO} → ${ANN}`]);
});

it('never passes a message that came before it', async () => {
  const juliet = await home.signIn(`${JULIET}/a`, '<presence/>');
  juliet.take();
  home.users.inbound(stanza(`<message from="${ANN}/x" to="${JULIET}"><body>bye</body></message>`));
  home.users.inbound(stanza(`<presence from="${ANN}/x" to="${JULIET}" type="unavailable"/>`));
  await home.done();
  expect(juliet.take().map((xml) => /^<(\w+)/.exec(xml)?.[1])).toEqual(['message', 'presence']);
});

it.each([
  ['<priority>5</priority>', 'stays'],
  ['<priority> -5 </priority>', 'waits'],
  ['<priority>-129</priority>', 'stays'],
  ['<priority>much</priority>', 'stays'],
])('a priority %s: a message %s', async (priority, what) => {
  const client = await home.signIn(`${ROMEO}/a`, `<presence>${priority}</presence>`);
  client.take();
  await home.arrives(`<message from="${ANN}" to="${ROMEO}"><body>x</body></message>`);
  expect(client.take()).toHaveLength(what === 'stays' ? 1 : 0);
});
