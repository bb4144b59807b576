import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Client, Home } from './local-users.fixture.ts';
import { inbound, outbound, type SubscriptionState, type SubscriptionType } from './subscription-states.ts';

const ROMEO = 'romeo@contoso.example';
const JULIET = 'juliet@contoso.example';
const ANN = 'ann@fabrikam.example';
const getRoster = '<iq type="get" id="r"><query xmlns="jabber:iq:roster"/></iq>';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home.close());

/** A client that follows the roster and is available, and has seen all of that. */
async function present(jid: string): Promise<Client> {
  const client = await home.signIn(jid, getRoster, '<presence/>');
  client.take();
  home.takeOutbound();
  return client;
}

/** What the user's server did on the wire to bring a pair into each state. */
const ways: Readonly<Record<SubscriptionState, readonly (readonly ['out' | 'in', SubscriptionType])[]>> = {
  none: [],
  'none+out': [['out', 'subscribe']],
  'none+in': [['in', 'subscribe']],
  'none+out+in': [
    ['out', 'subscribe'],
    ['in', 'subscribe'],
  ],
  to: [
    ['out', 'subscribe'],
    ['in', 'subscribed'],
  ],
  'to+in': [
    ['out', 'subscribe'],
    ['in', 'subscribed'],
    ['in', 'subscribe'],
  ],
  from: [
    ['in', 'subscribe'],
    ['out', 'subscribed'],
  ],
  'from+out': [
    ['in', 'subscribe'],
    ['out', 'subscribed'],
    ['out', 'subscribe'],
  ],
  both: [
    ['in', 'subscribe'],
    ['out', 'subscribed'],
    ['out', 'subscribe'],
    ['in', 'subscribed'],
  ],
};
const types = ['subscribe', 'subscribed', 'unsubscribe', 'unsubscribed'] as const;
const states = Object.keys(ways) as SubscriptionState[];

async function happens(client: Client, direction: 'out' | 'in', type: SubscriptionType): Promise<void> {
  if (direction === 'out') await client.says(`<presence to="${ANN}" type="${type}"/>`);
  else await home.arrives(`<presence from="${ANN}" to="${ROMEO}" type="${type}"/>`);
}

/** The item as the user's client sees it when it asks; '' for none. */
async function shown(client: Client): Promise<string> {
  client.take();
  await client.says(getRoster);
  return /<item .*?>/.exec(client.take().join())?.[0] ?? '';
}

function item(state: SubscriptionState, approved = false): string {
  const [subscription, ...pending] = state.split('+');
  const ask = pending.includes('out') ? ' ask="subscribe"' : '';
  return `<item jid="${ANN}" subscription="${subscription}"${ask}${approved ? ' approved="true"' : ''}/>`;
}

const isListed = (state: SubscriptionState): boolean => state !== 'none' && state !== 'none+in';
const typesOf = (stanzas: readonly string[]): (string | undefined)[] =>
  stanzas.map((xml) => /type=["'](\w+)["']/.exec(xml)?.[1]);

describe.each(states)('with a contact in state %s', (state) => {
  let client: Client;
  beforeEach(async () => {
    client = await present(`${ROMEO}/a`);
    for (const [direction, type] of ways[state]) await happens(client, direction, type);
    client.take();
    home.takeOutbound();
  });

  it.each(types)('%s of the user', async (type) => {
    await happens(client, 'out', type);
    const { passes, next } = outbound[type][state];
    const approves = type === 'subscribed' && ['none', 'none+out', 'to'].includes(state);
    expect(typesOf(home.takeOutbound()).includes(type)).toBe(passes);
    const listed = isListed(state) || isListed(next) || approves;
    expect(await shown(client)).toBe(listed ? item(next, approves) : '');
  });

  it.each(types)('%s of the contact', async (type) => {
    await happens(client, 'in', type);
    const { passes, next } = inbound[type][state];
    expect(typesOf(client.take().filter((xml) => xml.startsWith('<presence'))).includes(type)).toBe(passes);
    const known = type === 'subscribe' && ['from', 'from+out', 'both'].includes(state);
    expect(typesOf(home.takeOutbound()).includes('subscribed')).toBe(known);
    expect(home.delivered.at(-1)?.type).toBe(type);
    expect(await shown(client)).toBe(isListed(state) ? item(next) : '');
  });

  it('keeps it over a crash, with what is pending', async () => {
    home.crash();
    client = await present(`${ROMEO}/a`);
    expect(await shown(client)).toBe(isListed(state) ? item(state) : '');
    await happens(client, 'out', 'subscribed');
    expect(typesOf(home.takeOutbound()).includes('subscribed')).toBe(outbound.subscribed[state].passes);
  });

  it('removes it, and tells the contact as far as it is concerned', async () => {
    const remove = `<item jid="${ANN}" subscription="remove"/>`;
    await client.says(`<iq type="set" id="x"><query xmlns="jabber:iq:roster">${remove}</query></iq>`);
    expect(client.take().join()).toMatch(isListed(state) ? /subscription="remove"/ : /item-not-found/);
    const ends = [
      ...(['from', 'from+out', 'both'].includes(state) ? ['unavailable'] : []),
      ...(['to', 'to+in', 'both', 'none+out', 'none+out+in', 'from+out'].includes(state) ? ['unsubscribe'] : []),
      ...(['from', 'from+out', 'both', 'none+out+in', 'to+in'].includes(state) ? ['unsubscribed'] : []),
    ];
    expect(typesOf(home.takeOutbound())).toEqual(isListed(state) ? ends : []);
    expect(await shown(client)).toBe('');
  });
});

describe('a request', () => {
  const asks = `<presence from="${ANN}/desk" to="${ROMEO}" type="subscribe"><status>hello</status></presence>`;

  it('is shown at every sign-in until it is answered, as it came and once', async () => {
    await home.arrives(asks);
    await home.arrives(asks);
    home.crash();
    for (const resource of ['a', 'b']) {
      const client = await home.signIn(`${ROMEO}/${resource}`, '<presence/>');
      expect(client.take().filter((xml) => xml.includes('"subscribe"'))).toEqual([asks]);
    }
    const client = await home.signIn(`${ROMEO}/c`, `<presence to="${ANN}" type="unsubscribed"/>`, '<presence/>');
    expect(client.take().join()).not.toContain('"subscribe"');
  });

  it('is no part of the roster, and pushes nothing', async () => {
    const client = await present(`${ROMEO}/a`);
    await home.arrives(asks);
    expect(client.take()).toEqual([asks]);
  });

  it('for nobody is declined as if a user did', async () => {
    await home.arrives(`<presence from="${ANN}" to="nobody@contoso.example" type="subscribe"/>`);
    expect(home.takeOutbound()).toEqual([`<presence from="nobody@contoso.example" to="${ANN}" type="unsubscribed"/>`]);
    expect(home.delivered).toHaveLength(1);
  });

  it('that was approved before it came is granted at once (RFC 6121 §3.4)', async () => {
    const client = await present(`${ROMEO}/a`);
    await client.says(`<presence to="${ANN}" type="subscribed"/>`);
    expect(home.takeOutbound()).toEqual([]);
    expect(client.take().join()).toContain(`<item jid="${ANN}" subscription="none" approved="true"/>`);
    home.crash();
    await home.arrives(asks);
    expect(home.takeOutbound()).toEqual([`<presence from="${ROMEO}" to="${ANN}" type="subscribed"/>`]);
    expect(await shown(await present(`${ROMEO}/b`))).toBe(item('from', true));
  });

  it('past the bound of the roster is refused, and keeps the user from nothing', async () => {
    home.close();
    home = new Home({ contacts: 2 });
    for (const name of ['a', 'b', 'c', 'a']) {
      await home.arrives(`<presence from="${name}@fabrikam.example" to="${ROMEO}" type="subscribe"/>`);
    }
    expect(home.undeliverable.map(([xml, reason]) => [/from="(.)/.exec(xml)?.[1], reason])).toEqual([
      ['c', 'roster-full'],
    ]);
    const client = await present(`${ROMEO}/x`);
    await client.says('<presence to="d@fabrikam.example" type="subscribe"/>');
    await client.says('<presence to="a@fabrikam.example" type="subscribed"/>');
    expect(typesOf(home.takeOutbound())).toEqual(['subscribe', 'subscribed', undefined]);
    client.take();
    await client.says('<presence to="b@fabrikam.example" type="subscribed" id="s"/>');
    expect(client.take().join()).toMatch(/type="error".*resource-constraint/);
    expect(home.takeOutbound()).toEqual([]);
  });

  it('is one of a few hundred that wait, however many contacts there may be', async () => {
    home.close();
    home = new Home({ contacts: 5_000 });
    const status = 'x'.repeat(8_000);
    for (let n = 0; n < 300; n++) {
      const from = `u${n}@fabrikam.example`;
      await home.arrives(
        `<presence from="${from}" to="${ROMEO}" type="subscribe"><status>${status}</status></presence>`,
      );
    }
    expect(home.undeliverable).toHaveLength(300 - 256);
    // All of them are shown at each sign-in: more than a session holds would end every one of them.
    const client = await home.signIn(`${ROMEO}/x`, '<presence/>');
    expect(client.take().join('').length).toBeLessThan(4_000_000);
  });
});

it('goes between bare addresses, whatever the client wrote (RFC 6121 §3.1.2)', async () => {
  const client = await present(`${ROMEO}/a`);
  await client.says(`<presence to="Ann@Fabrikam.example/desk" id="s1" type="subscribe"><status>me</status></presence>`);
  expect(home.takeOutbound()).toEqual([
    `<presence from='${ROMEO}' to='${ANN}' id="s1" type="subscribe"><status>me</status></presence>`,
  ]);
  expect(client.take()).toEqual([
    `<iq to="${ROMEO}/a" type="set" id="roster-1"><query xmlns="jabber:iq:roster" ver="1">` +
      `<item jid="${ANN}" subscription="none" ask="subscribe"/></query></iq>`,
  ]);
});

it('shows presence when it is granted and takes it back before it ends (RFC 6121 §3.1.5, §3.2.2)', async () => {
  const client = await present(`${ROMEO}/a`);
  await home.arrives(`<presence from="${ANN}" to="${ROMEO}" type="subscribe"/>`);
  await client.says(`<presence to="${ANN}" type="subscribed"/>`);
  expect(home.takeOutbound().map((xml) => /type="(\w+)"/.exec(xml)?.[1] ?? 'available')).toEqual([
    'subscribed',
    'available',
  ]);
  await client.says(`<presence to="${ANN}" type="unsubscribed"/>`);
  expect(typesOf(home.takeOutbound())).toEqual(['unavailable', 'unsubscribed']);
});

it('two local users subscribe to each other and see each other come and go', async () => {
  const romeo = await present(`${ROMEO}/a`);
  const juliet = await present(`${JULIET}/b`);
  await romeo.says(`<presence to="${JULIET}" type="subscribe"/>`);
  expect(juliet.take().join()).toContain('type="subscribe"');
  await juliet.says(`<presence to="${ROMEO}" type="subscribed"/>`);
  await juliet.says(`<presence to="${ROMEO}" type="subscribe"/>`);
  await romeo.says(`<presence to="${JULIET}" type="subscribed"/>`);
  expect(romeo.take().join('\n')).toMatch(/subscription="both"/);
  const seen = juliet.take().join('\n');
  expect(seen).toMatch(/subscription="both"/);
  expect(seen).toContain(`from='${ROMEO}/a'`);
  await romeo.leaves();
  expect(juliet.take()).toEqual([`<presence to='${JULIET}' from="${ROMEO}/a" type="unavailable"/>`]);
  const again = await home.signIn(`${ROMEO}/c`, '<presence/>');
  expect(again.take().filter((xml) => xml.includes(JULIET))).toEqual([
    `<presence to='${ROMEO}/c' from='${JULIET}/b'/>`,
  ]);
  expect(juliet.take().join()).toContain(`from='${ROMEO}/c'`);
  expect(home.takeOutbound()).toEqual([]);
});
