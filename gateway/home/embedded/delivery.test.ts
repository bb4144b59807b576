import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Client, Home, stanza as stanzaOf } from './local-users.fixture.ts';

const ROMEO = 'romeo@contoso.example';
const JULIET = 'juliet@contoso.example';
const body = (text: string): string => `<body>${text}</body>`;
const bodies = (client: Client): string[] =>
  client.take().flatMap((xml) => (xml.includes('<body>') ? [/<body>(.*?)<\/body>/.exec(xml)?.[1] ?? ''] : []));

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home.close());

describe('a message to the bare address', () => {
  it('goes to the resource of the highest priority, and of those to the one that spoke last', async () => {
    const phone = await home.signIn(`${JULIET}/phone`, '<presence><priority>1</priority></presence>');
    const desk = await home.signIn(`${JULIET}/desk`, '<presence><priority>5</priority></presence>');
    const tablet = await home.signIn(`${JULIET}/tablet`, '<presence><priority>5</priority></presence>');
    await home.arrives(`<message from="ann@fabrikam.example/a" to="${JULIET}" type="chat"><body>1</body></message>`);
    expect([bodies(phone), bodies(desk), bodies(tablet)]).toEqual([[], [], ['1']]);
    await desk.says('<presence><priority>5</priority><show>chat</show></presence>');
    await home.arrives(`<message from="ann@fabrikam.example/a" to="${JULIET}" type="chat"><body>2</body></message>`);
    expect([bodies(phone), bodies(desk), bodies(tablet)]).toEqual([[], ['2'], []]);
  });

  it('waits while every priority is negative, and goes out when one no longer is', async () => {
    const client = await home.signIn(`${JULIET}/bot`, '<presence><priority>-1</priority></presence>');
    await home.arrives(`<message from="ann@fabrikam.example" to="${JULIET}"><body>hi</body></message>`);
    expect(bodies(client)).toEqual([]);
    await client.says('<presence/>');
    expect(bodies(client)).toEqual(['hi']);
  });

  it('is delayed with the time it came, by which server, when its user signs in (XEP-0203)', async () => {
    await home.arrives(`<message from="ann@fabrikam.example" to="${JULIET}" type="chat"><body>hi</body></message>`);
    home.now += 60_000;
    const client = await home.signIn(`${JULIET}/a`, '<presence/>');
    expect(client.take().find((xml) => xml.startsWith('<message'))).toBe(
      `<message from="ann@fabrikam.example" to="${JULIET}" type="chat"><body>hi</body>` +
        '<delay xmlns="urn:xmpp:delay" from="contoso.example" stamp="2026-01-01T00:00:00.000Z"/></message>',
    );
    const again = await home.signIn(`${JULIET}/b`, '<presence/>');
    expect(bodies(again)).toEqual([]);
  });

  it('of type groupchat is refused and headline let go where nobody is there; errors are never answered', async () => {
    await home.signIn(`${JULIET}/a`);
    for (const type of ['groupchat', 'headline', 'error']) {
      await home.arrives(`<message from="ann@fabrikam.example" to="${JULIET}" type="${type}"><body>x</body></message>`);
    }
    expect(home.undeliverable.map(([, reason]) => reason)).toEqual(['user-absent']);
    expect(home.delivered).toHaveLength(2);
    expect(home.users.queued).toBe(0);
  });

  it('of type headline goes to all that take messages', async () => {
    const one = await home.signIn(`${JULIET}/a`, '<presence/>');
    const two = await home.signIn(`${JULIET}/b`, '<presence/>');
    const bot = await home.signIn(`${JULIET}/c`, '<presence><priority>-1</priority></presence>');
    await home.arrives(`<message from="a@b.example" to="${JULIET}" type="headline"><body>n</body></message>`);
    expect([bodies(one), bodies(two), bodies(bot)]).toEqual([['n'], ['n'], []]);
  });
});

describe('a message to a full address', () => {
  it.each(['', 'chat', 'groupchat', 'headline', 'error'])(
    'of type "%s" goes to that resource, available or not',
    async (type) => {
      const client = await home.signIn(`${JULIET}/a`);
      const other = await home.signIn(`${JULIET}/b`, '<presence/>');
      await home.arrives(`<message from="a@b.example" to="${JULIET}/a" type="${type}"><body>x</body></message>`);
      expect([bodies(client), bodies(other)]).toEqual([['x'], []]);
      expect(home.delivered).toHaveLength(1);
    },
  );

  it('that is not there: chat goes to another, the rest is refused or let go', async () => {
    const other = await home.signIn(`${JULIET}/b`, '<presence/>');
    for (const type of ['chat', 'normal', 'groupchat', 'headline']) {
      await home.arrives(
        `<message from="a@b.example" to="${JULIET}/gone" type="${type}"><body>${type}</body></message>`,
      );
    }
    expect(bodies(other)).toEqual(['chat']);
    expect(home.undeliverable.map(([, reason]) => reason)).toEqual(['user-absent', 'user-absent']);
  });

  it('that is not there: an error waits for that resource to come back, and for no other', async () => {
    await home.arrives(`<message from="a@b.example" to="${ROMEO}/a" type="error"><body>x</body></message>`);
    const other = await home.signIn(`${ROMEO}/b`, '<presence/>');
    expect(bodies(other)).toEqual([]);
    home.crash();
    const client = await home.signIn(`${ROMEO}/a`);
    expect(bodies(client)).toEqual(['x']);
    expect(home.users.queued).toBe(0);
  });
});

describe('a message to nobody', () => {
  it.each(['chat', '', 'headline'])('of type "%s" is refused as by any server', async (type) => {
    await home.arrives(
      `<message from="a@b.example" to="nobody@contoso.example" type="${type}"><body>x</body></message>`,
    );
    expect(home.undeliverable.map(([, reason]) => reason)).toEqual(['user-unknown']);
  });

  it('is answered to the local user who sent it', async () => {
    const client = await home.signIn(`${ROMEO}/a`);
    await client.says('<message to="nobody@contoso.example" id="m1" type="chat"><body>x</body></message>');
    expect(client.take()).toEqual([
      `<message from="nobody@contoso.example" to="${ROMEO}/a" type="error" id="m1"><error type="cancel">` +
        '<service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>',
    ]);
  });

  it.each([
    ['rooms.contoso.example', 'domain-unserved'],
    ['room@rooms.contoso.example', 'domain-unserved'],
    ['contoso.example', 'service-unknown'],
  ])('at %s is refused', async (to, reason) => {
    await home.arrives(`<message from="a@b.example" to="${to}" type="groupchat"><body>x</body></message>`);
    expect(home.undeliverable.map(([, code]) => code)).toEqual([reason]);
  });
});

describe('what is kept for later (XEP-0160 §3, XEP-0334)', () => {
  it.each([
    ['text', '<body>x</body>', 1],
    ['a typing note', '<composing xmlns="http://jabber.org/protocol/chatstates"/>', 0],
    [
      'a typing note with its thread',
      '<composing xmlns="http://jabber.org/protocol/chatstates"/><thread>t</thread>',
      0,
    ],
    ['a receipt', '<received xmlns="urn:xmpp:receipts" id="1"/>', 1],
    ['what asks not to be', '<body>x</body><no-store xmlns="urn:xmpp:hints"/>', 0],
  ])('%s', async (_what, content, kept) => {
    await home.arrives(`<message from="a@b.example" to="${JULIET}" type="chat">${content}</message>`);
    expect(home.users.queued).toBe(kept);
    expect(home.delivered).toHaveLength(1);
  });

  it('and a typing note reaches who is there, in its place', async () => {
    const client = await home.signIn(`${JULIET}/a`, '<presence/>');
    client.take();
    home.users.inbound({
      ...(await home.arrives(`<message from="a@b.example" to="${JULIET}"><body>1</body></message>`)),
    });
    await home.arrives(
      `<message from="a@b.example" to="${JULIET}" type="chat"><paused xmlns="http://jabber.org/protocol/chatstates"/></message>`,
    );
    expect(client.take().map((xml) => /<(body|paused)/.exec(xml)?.[1])).toEqual(['body', 'body', 'paused']);
  });
});

describe('bounds', () => {
  const limits = { messages: 8, bytes: 100_000, age: 1_000, senderBytes: 1_000_000 };
  const arrive = async (from: string, count: number, to = JULIET, attributes = ''): Promise<number> => {
    const before = home.undeliverable.length;
    for (let n = 0; n < count; n++) {
      await home.arrives(`<message from="${from}" to="${to}"${attributes}>${body(String(n))}</message>`);
    }
    return count - (home.undeliverable.length - before);
  };

  it('leaves room for others, whoever fills a mailbox: a partner, or another user', async () => {
    home.close();
    home = new Home({ mailbox: limits });
    const romeo = await home.signIn(`${ROMEO}/a`);
    for (let n = 0; n < 8; n++) await romeo.says(`<message to="${JULIET}">${body('mine')}</message>`);
    expect(romeo.take().filter((xml) => xml.includes('type="error"'))).toHaveLength(2);
    expect(await arrive('ben@fabrikam.example', 1)).toBe(1);
    home.crash();
    home.accounts.add('nurse');
    const nurse = 'nurse@contoso.example';
    expect(await arrive('ann@fabrikam.example', 4, nurse)).toBe(4);
    expect(await arrive('ben@fabrikam.example', 4, nurse)).toBe(2);
    expect(await arrive('ann@other.example', 4, nurse)).toBe(2);
    expect(await arrive('ann@other.example', 4)).toBe(1);
  });

  it('leaves room for messages, however many errors come for a resource that is away', async () => {
    home.close();
    home = new Home({ mailbox: limits });
    expect(await arrive('ann@fabrikam.example', 8, `${JULIET}/gone`, ' type="error"')).toBe(4);
    expect(await arrive('ann@fabrikam.example', 1)).toBe(1);
    home.crash();
    expect(await arrive('ann@fabrikam.example', 1, `${JULIET}/other`, ' type="error"')).toBe(0);
    const juliet = await home.signIn(`${JULIET}/b`);
    juliet.confirms = false;
    // What it is there to take is no burden.
    expect(await arrive('ann@fabrikam.example', 3, `${JULIET}/b`, ' type="error"')).toBe(3);
  });

  it('leaves room in the store, however many users one partner writes to', async () => {
    home.close();
    home = new Home({ mailbox: { ...limits, senderBytes: 400 } });
    const users = ['juliet', 'nurse', 'ben'].map((name) => `${name}@contoso.example`);
    const takes = async (domain: string): Promise<number[]> => {
      const taken: number[] = [];
      for (const user of users) taken.push(await arrive(`ann@${domain}`, 2, user));
      return taken;
    };
    expect(await takes('fabrikam.example')).toEqual([2, 2, 0]);
    expect(await takes('other.example')).toEqual([2, 2, 0]);
    home.crash();
    expect(await takes('fabrikam.example')).toEqual([0, 0, 0]);
    const juliet = await home.signIn(`${JULIET}/a`, '<presence/>');
    expect(juliet.take()).toHaveLength(5);
    expect(await takes('fabrikam.example')).toEqual([2, 2, 0]);
  });

  it('refuses what is over the number of messages, or over the bytes, and tells the sender', async () => {
    home.close();
    home = new Home({ mailbox: { messages: 2, bytes: 1_000, age: 1_000, senderBytes: 1_000 } });
    const message = (text: string): string => `<message from="a@b.example" to="${JULIET}">${body(text)}</message>`;
    await home.arrives(message('1'));
    await home.arrives(message('x'.repeat(1_000)));
    await home.arrives(message('2'));
    await home.arrives(message('3'));
    expect(home.undeliverable.map(([, reason]) => reason)).toEqual(['mailbox-full', 'mailbox-full']);
    expect(bodies(await home.signIn(`${JULIET}/a`, '<presence/>'))).toEqual(['1', '2']);
    await home.arrives(message('4'));
    expect(home.undeliverable).toHaveLength(2);
  });

  it('gives back what waited too long', async () => {
    await home.arrives(
      `<message from="ann@fabrikam.example/a" to="${JULIET}" id="m" type="chat"><body>x</body></message>`,
    );
    home.users.lookAfter(home.now + 86_399_999);
    expect(home.takeOutbound()).toEqual([]);
    home.users.lookAfter(home.now + 86_400_000);
    expect(home.takeOutbound()).toEqual([
      `<message from="${JULIET}" to="ann@fabrikam.example/a" type="error" id="m"><error type="wait">` +
        '<recipient-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>',
    ]);
    expect(home.users.queued).toBe(0);
  });

  it('sends a client only so much before it confirms, and the rest in order behind', async () => {
    for (let n = 0; n < 300; n++) {
      home.users.inbound(stanzaOf(`<message from="a@b.example" to="${JULIET}"><body>${n}</body></message>`));
    }
    await home.done();
    const client = await home.signIn(`${JULIET}/a`);
    client.confirms = false;
    await client.says('<presence/>');
    expect(bodies(client)).toEqual(numbers(0, 200));
    await home.arrives(`<message from="a@b.example" to="${JULIET}"><body>300</body></message>`);
    client.confirm(50);
    expect(bodies(client)).toEqual(numbers(200, 250));
    client.confirm();
    expect(bodies(client)).toEqual(numbers(250, 301));
    client.confirm();
    expect(home.users.queued).toBe(0);
  });

  it('sends a client only so many bytes before it confirms', async () => {
    home.close();
    home = new Home({ mailbox: { messages: 100, bytes: 100_000_000, age: 1_000, senderBytes: 100_000_000 } });
    const long = 'x'.repeat(2_000_000);
    for (let n = 0; n < 5; n++)
      await home.arrives(`<message from="a@b.example" to="${JULIET}">${body(long)}</message>`);
    const client = await home.signIn(`${JULIET}/a`);
    client.confirms = false;
    await client.says('<presence/>');
    expect(bodies(client)).toHaveLength(3);
    client.confirm(1);
    expect(bodies(client)).toHaveLength(1);
    client.confirm();
    expect(bodies(client)).toHaveLength(1);
  });

  it('answers the sender where the store is full, and loses nothing that it took', async () => {
    home.close();
    home = new Home(
      { mailbox: { messages: 10_000, bytes: 100_000_000, age: 1_000_000, senderBytes: 100_000_000 } },
      400_000,
    );
    for (let n = 0; n < 40; n++) {
      await home.arrives(`<message from="a@b.example" to="${JULIET}">${body(`${n}`.padEnd(20_000, '.'))}</message>`);
    }
    const refused = home.undeliverable.length;
    expect(refused).toBeGreaterThan(0);
    expect(new Set(home.undeliverable.map(([, reason]) => reason))).toEqual(new Set(['store-failed']));
    const client = await home.signIn(`${JULIET}/a`, '<presence/>');
    expect(bodies(client)).toHaveLength(40 - refused);
  });
});

describe('a client that goes with messages unconfirmed', () => {
  it('leaves them to another of the user, in order', async () => {
    const one = await home.signIn(`${JULIET}/a`, '<presence><priority>5</priority></presence>');
    const two = await home.signIn(`${JULIET}/b`, '<presence/>');
    one.confirms = false;
    for (const n of [1, 2, 3])
      await home.arrives(`<message from="a@b.example" to="${JULIET}"><body>${n}</body></message>`);
    one.confirm(1);
    expect(bodies(two)).toEqual([]);
    await one.leaves();
    expect(bodies(two)).toEqual(['2', '3']);
  });

  it('leaves them for the next sign-in where there is no other', async () => {
    const one = await home.signIn(`${JULIET}/a`, '<presence/>');
    one.confirms = false;
    await home.arrives(`<message from="a@b.example" to="${JULIET}/a"><body>1</body></message>`);
    await one.leaves();
    expect(bodies(await home.signIn(`${JULIET}/z`, '<presence/>'))).toEqual(['1']);
  });

  it('gives a room its message back', async () => {
    const one = await home.signIn(`${JULIET}/a`);
    one.confirms = false;
    await home.arrives(
      `<message from="r@rooms.b.example/x" to="${JULIET}/a" type="groupchat"><body>1</body></message>`,
    );
    await one.leaves();
    expect(home.takeOutbound().join()).toMatch(/type="error".*remote-server-timeout/);
    expect(home.users.queued).toBe(0);
  });
});

describe('a crash', () => {
  const message = (n: number): string =>
    `<message from="a@b.example" to="${JULIET}" type="chat"><body>${n}</body></message>`;

  it('loses nothing that was delivered to the home', async () => {
    for (const n of [1, 2, 3]) await home.arrives(message(n));
    expect(home.delivered).toHaveLength(3);
    home.crash();
    expect(bodies(await home.signIn(`${JULIET}/a`, '<presence/>'))).toEqual(['1', '2', '3']);
  });

  it('tells no client again what it took', async () => {
    const one = await home.signIn(`${JULIET}/a`, '<presence/>');
    await home.arrives(message(1));
    expect(bodies(one)).toEqual(['1']);
    home.crash();
    expect(bodies(await home.signIn(`${JULIET}/a`, '<presence/>'))).toEqual([]);
  });

  it('leaves a session that is restored what it had not taken, ahead of what came later', async () => {
    const before = await home.signIn(`${JULIET}/a`, '<presence/>');
    before.confirms = false;
    for (const n of [1, 2, 3]) await home.arrives(message(n));
    const unsettled = [...before.mail];
    before.confirm(1);
    await home.done();
    home.crash((users) => users.restored(before, before.remembered, unsettled));
    expect(bodies(before)).toEqual(['1', '2', '3', '2', '3']);
    await home.arrives(message(4));
    expect(bodies(before)).toEqual(['4']);
  });

  it('never numbers a message as one before', async () => {
    const one = await home.signIn(`${JULIET}/a`, '<presence/>');
    one.confirms = false;
    await home.arrives(message(1));
    const [first] = one.mail;
    one.confirm();
    await home.done();
    home.crash();
    const two = await home.signIn(`${JULIET}/a`, '<presence/>');
    two.confirms = false;
    await home.arrives(message(2));
    expect(two.mail[0]).toBeGreaterThan(first ?? 0);
  });
});

describe('carbons (XEP-0280)', () => {
  const enable = '<iq type="set" id="c"><enable xmlns="urn:xmpp:carbons:2"/></iq>';
  let desk: Client;
  let phone: Client;
  beforeEach(async () => {
    desk = await home.signIn(`${JULIET}/desk`, enable, '<presence><priority>5</priority></presence>');
    phone = await home.signIn(`${JULIET}/phone`, enable, '<presence/>');
    desk.take();
    phone.take();
  });

  it('copies what comes to the others, once, and not to who has it', async () => {
    await home.arrives(`<message from="a@b.example/x" to="${JULIET}/desk" type="chat"><body>hi</body></message>`);
    expect(desk.take()).toEqual([
      `<message from="a@b.example/x" to="${JULIET}/desk" type="chat"><body>hi</body></message>`,
    ]);
    expect(phone.take()).toEqual([
      `<message from="${JULIET}" to="${JULIET}/phone" type="chat"><received xmlns="urn:xmpp:carbons:2">` +
        `<forwarded xmlns="urn:xmpp:forward:0"><message xmlns="jabber:client" from="a@b.example/x" to="${JULIET}/desk" ` +
        'type="chat"><body>hi</body></message></forwarded></received></message>',
    ]);
  });

  it('copies what is sent to the others', async () => {
    await phone.says('<message to="a@b.example" type="chat"><body>hi</body></message>');
    expect(phone.take()).toEqual([]);
    expect(desk.take().join()).toMatch(/<sent .*<message xmlns="jabber:client" from='juliet@contoso.example\/phone'/);
    expect(home.takeOutbound()).toHaveLength(1);
  });

  it('is not sent to who disabled it', async () => {
    await phone.says('<iq type="set" id="d"><disable xmlns="urn:xmpp:carbons:2"/></iq>');
    phone.take();
    await home.arrives(`<message from="a@b.example/x" to="${JULIET}/desk" type="chat"><body>hi</body></message>`);
    expect(phone.take()).toEqual([]);
  });

  it.each([
    ['normal with text', 'normal', '<body>x</body>', 1],
    ['normal without', 'normal', '<x xmlns="urn:x"/>', 0],
    ['a receipt', 'normal', '<received xmlns="urn:xmpp:receipts" id="1"/>', 1],
    ['a chat state', 'chat', '<active xmlns="http://jabber.org/protocol/chatstates"/>', 1],
    ['private', 'chat', '<body>x</body><private xmlns="urn:xmpp:carbons:2"/>', 0],
    ['no-copy', 'chat', '<body>x</body><no-copy xmlns="urn:xmpp:hints"/>', 0],
    ['of an occupant', 'chat', '<body>x</body><x xmlns="http://jabber.org/protocol/muc#user"/>', 0],
    ['groupchat', 'groupchat', '<body>x</body>', 0],
    ['headline', 'headline', '<body>x</body>', 0],
    ['error', 'error', '<body>x</body>', 0],
  ])('%s', async (_what, type, content, copies) => {
    await home.arrives(`<message from="a@b.example/x" to="${JULIET}/desk" type="${type}">${content}</message>`);
    expect(desk.take()).toHaveLength(1);
    expect(phone.take()).toHaveLength(copies);
  });

  it('of what a client then does not take count as taken by the user', async () => {
    desk.confirms = false;
    await home.arrives(`<message from="a@b.example/x" to="${JULIET}" type="chat"><body>hi</body></message>`);
    phone.take();
    await desk.leaves();
    expect(bodies(phone)).toEqual([]);
    expect(home.users.queued).toBe(0);
  });

  it('a message to oneself reaches the others once', async () => {
    await phone.says(`<message to="${JULIET}" type="chat"><body>note</body></message>`);
    expect(desk.take()).toHaveLength(1);
    expect(phone.take()).toEqual([]);
  });
});

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, n) => String(from + n));
}
