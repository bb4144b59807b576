import { hash } from 'node:crypto';
import { parse } from 'ltx';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serverCaps } from './disco.ts';
import { type Client, Home, stanza } from './local-users.fixture.ts';

const ROMEO = 'romeo@contoso.example';
const JULIET = 'juliet@contoso.example';
const DOMAIN = 'contoso.example';
const ANN = 'ann@fabrikam.example/desk';

let home: Home;
let client: Client;
beforeEach(async () => {
  home = new Home();
  client = await home.signIn(`${ROMEO}/a`);
});
afterEach(() => home.close());

/** Asks, and returns what comes back. */
async function ask(asker: Client, xml: string): Promise<string> {
  asker.take();
  await asker.says(xml);
  return asker.take().join('\n');
}
const get = (content: string, to = ''): string => `<iq type="get" id="1"${to && ` to="${to}"`}>${content}</iq>`;
const set = (content: string, to = ''): string => `<iq type="set" id="1"${to && ` to="${to}"`}>${content}</iq>`;

describe('the roster', () => {
  const query = (content = '', attributes = ''): string =>
    `<query xmlns="jabber:iq:roster"${attributes}>${content}</query>`;
  const item = '<item jid="Ann@fabrikam.example/x" name="Ann &amp; Co"><group>A</group><group>&lt;B&gt;</group></item>';
  const kept =
    '<item jid="ann@fabrikam.example" name="Ann &amp; Co" subscription="none"><group>A</group><group>&lt;B&gt;</group></item>';

  it('is set, pushed to who follows it, and got again after a crash', async () => {
    const other = await home.signIn(`${ROMEO}/b`, get(query()));
    const idle = await home.signIn(`${ROMEO}/c`);
    other.take();
    expect(await ask(client, set(query(item)))).toBe(`<iq to="${ROMEO}/a" type="result" id="1"/>`);
    expect(other.take()).toEqual([`<iq to="${ROMEO}/b" type="set" id="roster-1">${query(kept, ' ver="1"')}</iq>`]);
    expect(idle.take()).toEqual([]);
    home.crash();
    const again = await home.signIn(`${ROMEO}/a`);
    expect(await ask(again, get(query()))).toContain(query(kept, ' ver="1"'));
  });

  it('is not sent again to who has its version (RFC 6121 §2.6)', async () => {
    await client.says(set(query(item)));
    expect(await ask(client, get(query('', ' ver="1"')))).toBe(`<iq to="${ROMEO}/a" type="result" id="1"/>`);
    expect(await ask(client, get(query('', ' ver="0"')))).toContain(kept);
    expect(await ask(client, get(query('', ' ver=""')))).toContain(kept);
  });

  it.each([
    ['no item', '', 'bad-request'],
    ['two items', '<item jid="a@b.example"/><item jid="c@d.example"/>', 'bad-request'],
    ['no address', '<item/>', 'jid-malformed'],
    ['a group twice', '<item jid="a@b.example"><group>x</group><group>x</group></item>', 'bad-request'],
    ['an empty group', '<item jid="a@b.example"><group/></item>', 'not-acceptable'],
    ['a long name', `<item jid="a@b.example" name="${'x'.repeat(1_024)}"/>`, 'not-acceptable'],
    ['many groups', `<item jid="a@b.example">${groups(101)}</item>`, 'not-acceptable'],
    ['nobody to remove', '<item jid="a@b.example" subscription="remove"/>', 'item-not-found'],
  ])('refuses %s', async (_what, items, condition) => {
    expect(await ask(client, set(query(items)))).toContain(`<${condition} `);
  });

  it('takes as many items as it may have', async () => {
    for (let n = 0; n < 50; n++) await client.says(set(query(`<item jid="u${n}@b.example"/>`)));
    expect(await ask(client, set(query('<item jid="one@b.example"/>')))).toContain('<resource-constraint ');
    expect(await ask(client, set(query('<item jid="u1@b.example" name="still"/>')))).toContain('type="result"');
  });

  it('is bounded in bytes too, groups included', async () => {
    const groupsOf = (n: number): string =>
      Array.from({ length: 50 }, (_, group) => `<group>${group}${'-'.repeat(1_000)}${n}</group>`).join('');
    const itemOf = (n: number): string => query(`<item jid="u${n}@b.example">${groupsOf(n)}</item>`);
    expect(await ask(client, set(itemOf(1)))).toContain('type="result"');
    expect(await ask(client, set(itemOf(2)))).toContain('<resource-constraint ');
    home.crash();
    client = await home.signIn(`${ROMEO}/a`);
    expect(await ask(client, set(itemOf(3)))).toContain('<resource-constraint ');
    expect(await ask(client, set(query('<item jid="u1@b.example" name="no groups"/>')))).toContain('type="result"');
    expect(await ask(client, set(itemOf(4)))).toContain('type="result"');
  });

  it('takes note of groups whose names differ in where a line ends', async () => {
    const other = await home.signIn(`${ROMEO}/b`, get(query()));
    await client.says(set(query('<item jid="a@b.example"><group>x&#10;y</group></item>')));
    other.take();
    await client.says(set(query('<item jid="a@b.example"><group>x</group><group>y</group></item>')));
    expect(other.take().join()).toContain('<group>x</group><group>y</group>');
  });

  it('is not got so often at once that the answers fill memory', async () => {
    const groups = Array.from({ length: 60 }, (_, n) => `<group>${n}${'-'.repeat(1_000)}</group>`).join('');
    await client.says(set(query(`<item jid="a@b.example">${groups}</item>`)));
    const again = await home.signIn(`${ROMEO}/b`);
    home.store.write(() => undefined);
    for (let n = 0; n < 200 && again.ended === ''; n++) {
      home.users.stanza(again, { ...stanza(get(query())), from: again.jid });
    }
    expect(again.ended).toBe('resource-constraint');
    await home.done();
    expect(again.take().length).toBeGreaterThan(100);
  });

  it('is empty for who comes after a user of that name, however soon', async () => {
    await client.says(set(query(item)));
    await client.leaves();
    // What the command that removes a user does to the store, and the one that adds it, between two looks after it.
    home.store.write(() => {
      for (const table of ['roster', 'roster_item']) {
        home.store.prepare(`DELETE FROM ${table} WHERE user = 'romeo@contoso.example'`).run();
      }
    });
    await home.done();
    expect(await ask(await home.signIn(`${ROMEO}/z`), get(query()))).not.toContain('<item');
  });

  it('is its user’s alone', async () => {
    expect(await ask(client, get(query(), JULIET))).toContain('<forbidden ');
    await home.arrives(`<iq from="${ANN}" to="${ROMEO}" type="get" id="x">${query()}</iq>`);
    expect(home.takeOutbound().join()).toContain('<forbidden ');
  });

  it('is empty for who comes after a user of that name', async () => {
    await client.says(set(query(item)));
    await client.leaves();
    home.store.write(() => {
      home.store.prepare("DELETE FROM roster_item WHERE user = 'romeo@contoso.example'").run();
    });
    home.accounts.delete('romeo');
    await home.done();
    home.users.lookAfter(home.now);
    home.accounts.add('romeo');
    expect(await ask(await home.signIn(`${ROMEO}/z`), get(query()))).not.toContain('<item');
  });
});

describe('an IQ request (RFC 6121 §8.5)', () => {
  const info = '<query xmlns="http://jabber.org/protocol/disco#info"/>';

  it.each([
    ['a full address that is there', `${JULIET}/b`, 'reaches it'],
    ['a full address that is not', `${JULIET}/gone`, 'service-unavailable'],
    ['a user, for what the server does not know', JULIET, 'service-unavailable'],
    ['a user who does not exist', `nobody@${DOMAIN}`, 'service-unavailable'],
    ['a domain that is not served', 'rooms.contoso.example', 'service-unavailable'],
    ['no address', 'a@b@c', 'jid-malformed'],
  ])('to %s', async (_what, to, outcome) => {
    const juliet = await home.signIn(`${JULIET}/b`);
    const answer = await ask(client, get('<x xmlns="urn:unknown"/>', to));
    if (outcome === 'reaches it') {
      expect(juliet.take()).toHaveLength(1);
      await juliet.says(`<iq type="result" id="1" to="${ROMEO}/a"/>`);
      expect(client.take().join()).toContain('type="result"');
    } else expect(answer).toMatch(new RegExp(`id="1".*<${outcome} `));
  });

  it('of a partner reaches a resource, is answered for the bare address, and is always the home’s to answer', async () => {
    await home.arrives(`<iq from="${ANN}" to="${ROMEO}/a" type="get" id="1">${info}</iq>`);
    expect(client.take()).toHaveLength(1);
    await home.arrives(`<iq from="${ANN}" to="${ROMEO}/gone" type="get" id="2">${info}</iq>`);
    await home.arrives(`<iq from="${ANN}" to="nobody@${DOMAIN}" type="get" id="3">${info}</iq>`);
    await home.arrives(`<iq from="${ANN}" to="${ROMEO}" type="get" id="4">${info}</iq>`);
    const answers = home.takeOutbound();
    expect(answers).toHaveLength(3);
    for (const answer of answers) expect(answer).toContain('<service-unavailable ');
    expect(home.delivered).toHaveLength(4);
    expect(home.undeliverable).toEqual([]);
  });

  it.each([
    '<iq type="get" to="contoso.example"><ping xmlns="urn:xmpp:ping"/></iq>',
    '<iq type="get" id="1"/>',
    '<iq type="set" id="1"><a/><b/></iq>',
  ])('that is malformed is refused: %s', async (xml) => {
    expect(await ask(client, xml)).toContain('<bad-request ');
  });

  it('leads to a partner, with the answer going back to the resource', async () => {
    await client.says(get(info, ANN));
    expect(home.takeOutbound()).toEqual([expect.stringContaining(`from='${ROMEO}/a'`)]);
    await home.arrives(`<iq from="${ANN}" to="${ROMEO}/a" type="result" id="1"/>`);
    expect(client.take()).toEqual([`<iq from="${ANN}" to="${ROMEO}/a" type="result" id="1"/>`]);
  });

  it.each(['jabber:iq:private', 'urn:xmpp:blocking', 'urn:xmpp:mam:2', 'http://jabber.org/protocol/pubsub'])(
    'for %s, which is not announced, is refused',
    async (namespace) => {
      expect(await ask(client, get(`<query xmlns="${namespace}"/>`))).toContain('<service-unavailable ');
    },
  );

  it('answers are never answered', async () => {
    expect(await ask(client, '<iq type="result" id="1"/>')).toBe('');
    expect(await ask(client, `<iq type="result" id="1" to="${JULIET}/gone"/>`)).toBe('');
    expect(await ask(client, `<iq type="error" id="1" to="${JULIET}"/>`)).toBe('');
  });
});

describe('what a client asks at sign-in', () => {
  it('the server says what it can, as its capabilities hash it (XEP-0030, XEP-0115)', async () => {
    const answer = parse(await ask(client, get('<query xmlns="http://jabber.org/protocol/disco#info"/>', DOMAIN)));
    const query = answer.getChild('query', 'http://jabber.org/protocol/disco#info');
    const identities = query
      ?.getChildren('identity')
      .map(({ attrs }) => `${attrs.category}/${attrs.type}//${attrs.name}<`);
    const features = query?.getChildren('feature').map(({ attrs }) => String(attrs.var)) ?? [];
    expect(features).toContain('urn:xmpp:carbons:2');
    const text = [...(identities ?? []), ...features.sort().map((feature) => `${feature}<`)].join('');
    expect(parse(serverCaps).attrs.ver).toBe(hash('sha1', text, 'base64'));
    const node = `${parse(serverCaps).attrs.node}#${parse(serverCaps).attrs.ver}`;
    const about = `<query xmlns="http://jabber.org/protocol/disco#info" node="${node}"/>`;
    expect(await ask(client, get(about, DOMAIN))).toContain(`node="${node}"><identity category="server"`);
    const other = '<query xmlns="http://jabber.org/protocol/disco#info" node="other"/>';
    expect(await ask(client, get(other, DOMAIN))).toContain('<item-not-found ');
  });

  it.each([
    [
      'items',
      get('<query xmlns="http://jabber.org/protocol/disco#items"/>', DOMAIN),
      '<query xmlns="http://jabber.org/protocol/disco#items"/>',
    ],
    [
      'its account',
      get('<query xmlns="http://jabber.org/protocol/disco#info"/>'),
      '<identity category="account" type="registered"/>',
    ],
    [
      'its account by address',
      get('<query xmlns="http://jabber.org/protocol/disco#info"/>', ROMEO),
      'category="account"',
    ],
    ['version', get('<query xmlns="jabber:iq:version"/>', DOMAIN), '<name>Drawbridge</name><version>1.2.3</version>'],
    ['ping', get('<ping xmlns="urn:xmpp:ping"/>', DOMAIN), 'type="result" id="1"/>'],
    ['ping without address', get('<ping xmlns="urn:xmpp:ping"/>'), 'type="result" id="1"/>'],
    ['session', set('<session xmlns="urn:ietf:params:xml:ns:xmpp-session"/>'), 'type="result" id="1"/>'],
    ['carbons', set('<enable xmlns="urn:xmpp:carbons:2"/>'), 'type="result" id="1"/>'],
  ])('%s', async (_what, request, answer) => {
    expect(await ask(client, request)).toContain(answer);
  });

  it('of another user it learns what there is only where it sees its presence', async () => {
    const info = get('<query xmlns="http://jabber.org/protocol/disco#info"/>', JULIET);
    expect(await ask(client, info)).toContain('<service-unavailable ');
    const juliet = await home.signIn(`${JULIET}/b`);
    await client.says(`<presence to="${JULIET}" type="subscribe"/>`);
    await juliet.says(`<presence to="${ROMEO}" type="subscribed"/>`);
    expect(await ask(client, info)).toContain('category="account"');
  });
});

describe('a vCard (XEP-0054)', () => {
  const photo = 'QUJD'.repeat(100);
  const card = `<vCard xmlns="vcard-temp"><FN>R &amp; <![CDATA[<J>]]></FN><PHOTO><BINVAL>${photo}</BINVAL></PHOTO></vCard>`;

  it('is kept and given as it came, to anyone, also after a crash', async () => {
    expect(await ask(client, set(card))).toBe(`<iq to="${ROMEO}/a" type="result" id="1"/>`);
    home.crash();
    const juliet = await home.signIn(`${JULIET}/b`);
    expect(await ask(juliet, get('<vCard xmlns="vcard-temp"/>', ROMEO))).toBe(
      `<iq from="${ROMEO}" to="${JULIET}/b" type="result" id="1">${card}</iq>`,
    );
    await home.arrives(`<iq from="${ANN}" to="${ROMEO}" type="get" id="2"><vCard xmlns="vcard-temp"/></iq>`);
    expect(home.takeOutbound().join()).toContain(card);
  });

  it('keeps prefixes that the stanza declares', async () => {
    await client.says(`<iq type="set" id="1" xmlns:p="urn:p"><vCard xmlns="vcard-temp"><p:X/></vCard></iq>`);
    expect(await ask(client, get('<vCard xmlns="vcard-temp"/>'))).toContain(
      ' xmlns:p="urn:p"><vCard xmlns="vcard-temp"><p:X/>',
    );
  });

  it('is empty for its user, and refused to others, where there is none', async () => {
    expect(await ask(client, get('<vCard xmlns="vcard-temp"/>'))).toContain('<vCard xmlns="vcard-temp"/>');
    expect(await ask(client, get('<vCard xmlns="vcard-temp"/>', JULIET))).toContain('<service-unavailable ');
  });

  it('is bounded, and its user’s to set', async () => {
    expect(await ask(client, set(`<vCard xmlns="vcard-temp">${'x'.repeat(4_096)}</vCard>`))).toContain(
      '<policy-violation ',
    );
    expect(await ask(client, set(card, JULIET))).toContain('<forbidden ');
  });
});

it('answers a partner’s ping only when what came before is kept (XEP-0199)', async () => {
  home.users.inbound(stanza(`<message from="${ANN}" to="${ROMEO}"><body>x</body></message>`));
  home.users.inbound(
    stanza(`<iq from="fabrikam.example" to="${DOMAIN}" type="get" id="p"><ping xmlns="urn:xmpp:ping"/></iq>`),
  );
  expect(home.takeOutbound()).toEqual([]);
  await home.done();
  expect(home.takeOutbound()).toEqual([`<iq from="${DOMAIN}" to="fabrikam.example" type="result" id="p"/>`]);
});

it('reads no more of a client whose partner has no room, until it has', async () => {
  const other = await home.signIn(`${JULIET}/b`);
  home.room = false;
  await client.says('<message to="a@b.example"><body>1</body></message>');
  await client.says('<message to="a@c.example"><body>1</body></message>');
  expect([client.reading, other.reading]).toEqual([false, true]);
  home.users.room('b.example');
  expect(client.reading).toBe(false);
  home.users.room('c.example');
  expect(client.reading).toBe(true);
});

it('routes between local users without the middle, and stamps nothing anew', async () => {
  const juliet = await home.signIn(`${JULIET}/b`, '<presence/>');
  juliet.take();
  await client.says(`<message to="${JULIET}" type="chat" id="m"><body>a &amp; <![CDATA[b]]></body></message>`);
  expect(juliet.take()).toEqual([
    `<message from='${ROMEO}/a' to="${JULIET}" type="chat" id="m"><body>a &amp; <![CDATA[b]]></body></message>`,
  ]);
  expect(home.takeOutbound()).toEqual([]);
});

it('takes what a client sends without an address for its own', async () => {
  await client.says('<presence/>');
  client.take();
  await client.says('<message type="chat"><body>note</body></message>');
  expect(client.take()).toEqual([`<message to='${ROMEO}' from='${ROMEO}/a' type="chat"><body>note</body></message>`]);
});

function groups(count: number): string {
  return Array.from({ length: count }, (_, n) => `<group>g${n}</group>`).join('');
}
