import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Stanza } from '../../bridge/stanza.ts';
import type { Session } from './session.ts';
import { ClientWorld, DOMAIN } from './testing/client-world.fixture.ts';
import { RawClient } from './testing/raw-client.fixture.ts';

const SM = "xmlns='urn:xmpp:sm:3'";
const JID = `juliet@${DOMAIN}/r`;
const streamError = (condition: string): RegExp => new RegExp(`<stream:error><${condition} .*</stream:stream>`);

let world: ClientWorld;

beforeEach(async () => {
  world = await ClientWorld.start();
  await world.accounts.add('juliet', DOMAIN, 'wherefore');
  await world.accounts.add('romeo', DOMAIN, 'art thou');
});

afterEach(() => world.close());

const signedIn = async (user = 'juliet', password = 'wherefore'): Promise<RawClient> =>
  (await RawClient.secure(world.port())).signIn(user, password);

/** A client with a session that it may resume. */
async function managed(): Promise<{ client: RawClient; session: Session; id: string }> {
  const client = await signedIn();
  const session = await world.users.session(await client.bind('r'));
  return { client, session, id: await client.manage() };
}

function message(id: string): Stanza {
  const from = `romeo@${DOMAIN}/x`;
  const bytes = Buffer.from(`<message from='${from}' to='${JID}' id='${id}'><body>${id}</body></message>`);
  const body = { childNamespace: '', childName: 'body', children: 1 };
  return { name: 'message', from, to: JID, type: '', id, ...body, bytes };
}

/** Reads so many messages; their ids, in order. */
async function readIds(client: RawClient, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const text = await client.read(/<message [^>]*>.*?<\/message>/);
    ids.push(/ id='([^']*)'/.exec(text.slice(text.indexOf('<message')))?.[1] ?? '');
  }
  return ids;
}

const resume = (id: string, h: number): string => `<resume ${SM} previd='${id}' h='${h}'/>`;
const allKept = (): Promise<void> => new Promise((resolve) => world.store.whenKept(resolve));

/** Waits until these rows are settled, and no others. */
async function settled(rows: readonly number[]): Promise<void> {
  await world.users.watch.until(() => world.users.settledMail.length >= rows.length);
  expect(world.users.settledMail).toEqual(rows);
}

describe('acknowledgements', () => {
  it('count what the client sent, from the moment it enabled them', async () => {
    const { client } = await managed();
    client.write(`<presence id='1'/><r ${SM}/><presence id='2'/><message id='3'/><r ${SM}/>`);
    await client.read(/<a xmlns='urn:xmpp:sm:3' h='1'\/>/);
    await client.read(/<a xmlns='urn:xmpp:sm:3' h='3'\/>/);
  });

  it('are told only when all that was taken is kept', async () => {
    const { client } = await managed();
    client.write(`<presence id='kept'/><r ${SM}/>`);
    await client.read(/<a [^>]*h='1'\/>/);
    const kept = world.store.prepare("SELECT count(*) AS n FROM received WHERE id = 'kept'").get();
    expect(kept?.n).toBe(1);
    expect(world.store.prepare('SELECT handled FROM client_session').get()?.handled).toBe(1);
  });

  it('of the client settle its mail', async () => {
    const { client, session } = await managed();
    const rows = [message('a'), message('b')].map((stanza) => world.users.post(session, stanza));
    expect(await readIds(client, 2)).toEqual(['a', 'b']);
    expect(client.peer.text).toMatch(/<message .*<r xmlns='urn:xmpp:sm:3'\/>/);
    expect(world.users.settledMail).toEqual([]);
    client.write(`<a ${SM} h='2'/>`);
    await settled(rows);
  });

  it('without stream management mail is settled when it is written', async () => {
    const client = await signedIn();
    const session = await world.users.session(await client.bind('r'));
    const row = world.users.post(session, message('a'));
    expect(await readIds(client, 1)).toEqual(['a']);
    await settled([row]);
    client.cut();
    await world.users.watch.until(() => world.users.closedSessions.length === 1);
    expect(world.users.closedSessions[0]?.unsettled).toEqual([]);
  });

  it.each([
    ['stanzas it never got', `<a ${SM} h='3'/>`, 'undefined-condition'],
    ['no number', `<a ${SM}/>`, 'invalid-xml'],
    ['more than 32 bits', `<a ${SM} h='4294967296'/>`, 'invalid-xml'],
  ])('of %s end the stream and the session', async (_what, text, condition) => {
    const { client, session } = await managed();
    const row = world.users.post(session, message('a'));
    await readIds(client, 1);
    client.write(text);
    const error = await client.read(streamError(condition));
    if (condition === 'undefined-condition') {
      expect(error).toContain(`<handled-count-too-high ${SM} h='3' send-count='1'/>`);
    }
    await world.users.watch.until(() => world.users.closedSessions.length === 1);
    expect(world.users.closedSessions[0]?.unsettled).toEqual([row]);
  });

  it.each([
    ['before a resource is bound', async () => signedIn()],
    ['twice', async () => (await managed()).client],
  ])('cannot be enabled %s', async (_what, start) => {
    const client = await start();
    client.write(`<enable ${SM}/>`);
    await client.read(/<failed xmlns='urn:xmpp:sm:3'><unexpected-request /);
    client.cut();
  });

  it('serve as the question whether a silent client lives', async () => {
    const { client } = await managed();
    world.edge.lookOver(Date.now() + 181_000);
    await client.read(/<r /);
    client.cut();
  });
});

describe('a session whose connection broke', () => {
  it('is resumed: both sides learn what the other has, and what is missing follows', async () => {
    const { client, session, id } = await managed();
    const rows = ['a', 'b', 'c'].map((name) => world.users.post(session, message(name)));
    await readIds(client, 3);
    client.write("<presence id='p'/>");
    await world.users.ids(1);
    client.cut();
    await world.journal.seen({ event: 'stream-closed' });
    rows.push(world.users.post(session, message('d')));
    const again = await signedIn();
    again.write(resume(id, 2));
    await again.read(new RegExp(`<resumed ${SM} previd='${id}' h='1'/>`));
    expect(await readIds(again, 2)).toEqual(['c', 'd']);
    again.write(`<a ${SM} h='4'/>`);
    await settled(rows);
    expect(world.users.openedSessions.length).toBe(1);
    expect(world.users.closedSessions).toEqual([]);
  });

  it('is resumed while the old connection still stands, which then ends', async () => {
    const { client, session, id } = await managed();
    const again = await signedIn();
    again.write(resume(id, 0));
    await again.read(/<resumed /);
    await client.read(streamError('conflict'));
    world.users.post(session, message('a'));
    expect(await readIds(again, 1)).toEqual(['a']);
    again.write("<presence id='p'/>");
    expect(await world.users.ids(1)).toEqual(['p']);
    expect(world.users.closedSessions).toEqual([]);
  });

  it('is over when nobody resumes it in time, and its client is told how far it came', async () => {
    const { client, session, id } = await managed();
    const row = world.users.post(session, message('a'));
    await readIds(client, 1);
    client.write("<presence id='p'/>");
    await world.users.ids(1);
    const again = await signedIn();
    client.cut();
    await world.journal.seen({ event: 'stream-closed' });
    world.edge.lookOver(world.clock.now + 599_999);
    expect(world.edge.load).toMatchObject({ sessions: 1, detached: 1 });
    world.edge.lookOver(world.clock.now + 600_000);
    expect(world.users.closedSessions).toEqual([{ session, unsettled: [row] }]);
    again.write(resume(id, 1));
    await again.read(/<failed xmlns='urn:xmpp:sm:3' h='1'><item-not-found /);
    expect(await again.bind('r')).toBe(JID);
  });

  it('is over at once where the client closed its stream', async () => {
    const { client, session } = await managed();
    client.write('</stream:stream>');
    await world.users.watch.until(() => world.users.closedSessions.length === 1);
    expect(world.users.closedSessions).toEqual([{ session, unsettled: [] }]);
    expect(world.edge.load.sessions).toBe(0);
  });

  it('makes way for a client that binds its resource, with its mail', async () => {
    const { client, session } = await managed();
    client.cut();
    await world.journal.seen({ event: 'stream-closed' });
    const row = world.users.post(session, message('a'));
    const next = await signedIn();
    expect(await next.bind('r')).toBe(JID);
    expect(world.users.closedSessions).toEqual([{ session, unsettled: [row] }]);
    next.cut();
  });

  it('is nobody else\u2019s to resume', async () => {
    const { id } = await managed();
    const romeo = await signedIn('romeo', 'art thou');
    romeo.write(resume(id, 0));
    await romeo.read(/<failed xmlns='urn:xmpp:sm:3'><item-not-found /);
    expect(world.users.closedSessions).toEqual([]);
    romeo.cut();
  });

  it.each([
    ['is bound already', 'unexpected-request', true, 'x', '0'],
    ['says no number', 'bad-request', false, 'x', ''],
    ['names no session', 'bad-request', false, '', '0'],
  ])('is not resumed by a client that %s', async (_what, condition, bound, id, h) => {
    const client = await signedIn();
    if (bound) await client.bind();
    client.write(`<resume ${SM} previd='${id}' h='${h}'/>`);
    await client.read(new RegExp(`<failed ${SM}><${condition} `));
    client.cut();
  });

  it('holds no more than it may, and is over then', async () => {
    const { client, session } = await managed();
    client.cut();
    await world.journal.seen({ event: 'stream-closed' });
    for (let n = 0; n < 1001; n++) session.send(message(`${n}`), n);
    expect(world.users.closedSessions[0]?.session).toBe(session);
    expect(world.users.closedSessions[0]?.unsettled.length).toBe(1000);
    session.send(message('after'), 5000);
    expect(world.edge.load.sessions).toBe(0);
  });
});

describe('after a restart of the gateway', () => {
  it('a client resumes: it gets what it has not, once, and learns what was taken of it', async () => {
    const { client, session, id } = await managed();
    session.remember('presence: dnd');
    const rows = ['a', 'b', 'c'].map((name) => world.users.post(session, message(name)));
    await readIds(client, 3);
    client.write(`<presence id='1'/><presence id='2'/><r ${SM}/>`);
    await client.read(/<a [^>]*h='2'\/>/);
    await world.stop();
    await world.begin();
    const [restored] = world.users.restoredSessions;
    expect(restored).toMatchObject({ remembered: 'presence: dnd', mail: rows });
    expect(restored?.session).toMatchObject({ id, jid: JID });
    // What comes before the client does waits behind the rest.
    const late = world.users.post(restored?.session as Session, message('d'));
    const again = await signedIn();
    again.write(resume(id, 2));
    await again.read(/<resumed [^>]*h='2'\/>/);
    expect(await readIds(again, 2)).toEqual(['c', 'd']);
    expect(world.users.settledMail).toEqual(rows.slice(0, 2));
    again.write(`<a ${SM} h='4'/>`);
    await settled([...rows, late]);
    again.cut();
  });

  it('and another, in the midst of it, the positions are those told last', async () => {
    const { client, session, id } = await managed();
    world.users.post(session, message('a'));
    world.users.post(session, message('b'));
    await readIds(client, 2);
    await world.stop();
    await world.begin();
    const again = await signedIn();
    again.write(resume(id, 1));
    expect(await readIds(again, 1)).toEqual(['b']);
    const restored = world.users.restoredSessions[0]?.session as Session;
    world.users.post(restored, message('c'));
    expect(await readIds(again, 1)).toEqual(['c']);
    await world.stop();
    await world.begin();
    const third = await signedIn();
    third.write(resume(id, 2));
    expect(await readIds(third, 1)).toEqual(['c']);
    third.cut();
  });

  it('a session of a user who is gone is gone', async () => {
    await managed();
    await world.accounts.remove('juliet', DOMAIN);
    await world.stop();
    await world.begin();
    expect(world.users.restoredSessions).toEqual([]);
    expect(world.edge.load.sessions).toBe(0);
  });

  it('mail that is gone is not sent, and nothing is left of a session that is over', async () => {
    const { client, session, id } = await managed();
    const row = world.users.post(session, message('a'));
    await readIds(client, 1);
    await world.stop();
    world.mail.delete(row);
    await world.begin();
    const again = await signedIn();
    again.write(resume(id, 0));
    await again.read(/<resumed /);
    again.write('</stream:stream>');
    await world.users.watch.until(() => world.users.closedSessions.length === 1);
    expect(world.users.closedSessions[0]?.unsettled).toEqual([]);
    await allKept();
    for (const table of ['client_session', 'client_session_mail']) {
      expect(world.store.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n).toBe(0);
    }
  });
});

describe('after a crash in mid-traffic', () => {
  it.each([1, 7, 20])('what was acknowledged %i times is kept, and what is kept is counted', async (acknowledged) => {
    const { client, id } = await managed();
    for (let n = 1; n <= 30; n++) client.write(`<presence id='${n}'/><r ${SM}/>`);
    await client.read(new RegExp(`<a [^>]*h='${acknowledged}'/>`));
    await world.crash();
    const kept = Number(world.store.prepare('SELECT count(*) AS n FROM received').get()?.n);
    const again = await signedIn();
    again.write(resume(id, 0));
    await again.read(new RegExp(`<resumed [^>]*h='${kept}'/>`));
    expect(kept).toBeGreaterThanOrEqual(acknowledged);
    again.cut();
  });

  it.each([0, 1, 13, 30])(
    'mail of which the client took %i is sent on from there, each once and in order',
    async (taken) => {
      const { client, session, id } = await managed();
      const sent = Array.from({ length: 30 }, (_, n) => `${n + 1}`);
      for (const name of sent) world.users.post(session, message(name));
      await allKept();
      const read = await readIds(client, taken);
      await world.crash();
      const again = await signedIn();
      again.write(resume(id, taken));
      await again.read(/<resumed /);
      read.push(...(await readIds(again, sent.length - taken)));
      expect(read).toEqual(sent);
      again.cut();
    },
  );
});
