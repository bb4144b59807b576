import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RawStream, streamHeader } from '../../conformance/peers/raw.ts';
import { createAuthority, issueCertificate } from '../../pki/issue.ts';
import { presentable, type TestEdge, type TestEdgeOptions, TestNet } from './testing/edge.fixture.ts';
import { RawPartner } from './testing/raw-partner.fixture.ts';
import { message, numbers } from './testing/recording.fixture.ts';

const a = 'a.example';
const b = 'b.example';
const cases = (['certificate', 'dialback'] as const).flatMap((proof) =>
  (['starttls', 'direct'] as const).flatMap((tls) => [true, false].map((bidi) => ({ proof, tls, bidi }))),
);

describe('Two edges', () => {
  let net: TestNet;

  beforeEach(async () => {
    net = await TestNet.start();
  });
  afterEach(() => net.close());

  it.each(cases)('carry both ways by $proof over $tls, bidi $bidi', async ({ proof, tls, bidi }) => {
    const common = { tls, accepts: [proof], options: { bidi } };
    const [one, two] = await Promise.all([
      net.edge({ ...common, domains: [a] }),
      net.edge({ ...common, domains: [b] }),
    ]);
    for (const id of numbers(50)) expect(one.edge.send(a, b, message(`u@${a}`, `v@${b}`, id))).toBe('more');
    expect(await two.host.ids(50)).toEqual(numbers(50));
    for (const id of numbers(50)) expect(two.edge.send(b, a, message(`v@${b}`, `u@${a}/r`, id))).toBe('more');
    expect(await one.host.ids(50)).toEqual(numbers(50));
    expect(two.host.received[0]).toMatchObject({
      partner: a,
      home: b,
      stanza: { name: 'message', from: `u@${a}`, to: `v@${b}` },
    });
    expect(two.host.received[0]?.stanza.bytes.toString()).toContain('<body>1</body>');
    const directions = (side: typeof one) =>
      side.journal.of({ event: 'stream-proven' }).map(({ direction }) => direction);
    expect(directions(one)).toEqual(bidi ? ['outbound'] : ['outbound', 'inbound']);
    expect(directions(two)).toEqual(bidi ? ['inbound'] : ['inbound', 'outbound']);
    for (const side of [one, two]) {
      for (const entry of side.journal.of({ event: 'stream-proven' })) {
        expect(entry.tls).toBe('TLSv1.3');
        const held = entry.evidence as { proof: string; holds: boolean }[];
        expect(held.filter(({ holds }) => holds).map((one) => one.proof)).toContain(proof);
      }
      expect(side.host.bounced).toEqual([]);
    }
  });
});

describe('An edge', () => {
  let net: TestNet;

  beforeEach(async () => {
    net = await TestNet.start();
  });
  afterEach(() => net.close());

  const pair = async (options: Partial<TestEdgeOptions> = {}, theirs: Partial<TestEdgeOptions> = {}) => {
    const one = await net.edge({ domains: [a], ...options });
    const two = await net.edge({ domains: [b], ...theirs });
    const send = (...ids: string[]): void => {
      for (const id of ids) one.edge.send(a, b, message(`u@${a}`, `v@${b}`, id));
    };
    return { one, two, send };
  };
  /** Ends the stream between them as a change of policy would, and lets it come again. */
  const interrupt = async (one: TestEdge, two: TestEdge): Promise<void> => {
    const accepts = two.host.accepts.get('*') ?? [];
    const before = one.journal.of({ event: 'stream-closed', direction: 'outbound' }).length;
    two.host.accepts.set('*', []);
    two.edge.reconsider();
    two.host.accepts.set('*', accepts);
    await one.journal.seen({ event: 'stream-closed', direction: 'outbound' }, before + 1);
  };

  it.each(['starttls', 'direct'] as const)(
    'resumes its TLS session when it comes again over %s, until credentials change',
    async (tls) => {
      const intermediate = await createAuthority({ name: 'Intermediate', issuer: net.authority });
      const certificate = await issueCertificate(intermediate, { domains: [b] });
      const own = await issueCertificate(intermediate, { domains: [a] });
      const { one, two, send } = await pair({ tls, certificate: own }, { tls, certificate });
      const resumed = () =>
        one.journal.of({ event: 'stream-proven', direction: 'outbound' }).map((entry) => entry.resumed);
      for (const round of ['1', '2', '3']) {
        if (round === '3') one.edge.credentialsChanged();
        send(round);
        await two.host.ids(Number(round));
        await interrupt(one, two);
      }
      expect(resumed()).toEqual([false, true, false]);
      const evidence = two.journal.of({ event: 'stream-proven', direction: 'inbound' }).map((entry) => entry.evidence);
      expect(evidence).toEqual(Array(3).fill([expect.objectContaining({ proof: 'certificate', holds: true })]));
    },
  );

  it('takes up a new certificate with the next stream, and leaves the standing one alone', async () => {
    const { one, two, send } = await pair();
    send('1');
    await two.host.ids(1);
    const renewed = presentable(await net.issue({ domains: [b] }));
    two.own.replace([renewed]);
    two.edge.credentialsChanged();
    one.edge.credentialsChanged();
    send('2');
    await two.host.ids(2);
    await interrupt(one, two);
    send('3');
    await two.host.ids(3);
    const details = one.journal
      .of({ event: 'stream-proven' })
      .map(({ evidence }) => (evidence as { detail: string }[])[0]?.detail);
    expect(details).toHaveLength(2);
    expect(details[1]).toBe(`sha256:${renewed.fingerprint}`);
    expect(details[0]).not.toBe(details[1]);
  });

  it('sends over the stream of the peer what waited for it, once the peer knows that it is proven', async () => {
    const { one, two, send } = await pair();
    net.publish(b, 9);
    send(...numbers(3));
    await one.journal.seen({ event: 'partner-unreachable' });
    two.edge.send(b, a, message(`v@${b}`, `u@${a}`, 'hello'));
    expect(await one.host.ids(1)).toEqual(['hello']);
    expect(await two.host.ids(3)).toEqual(numbers(3));
    expect(one.edge.load).toMatchObject({ incoming: 1, outgoing: 0 });
  });

  it('does the same where the proof is dialback', async () => {
    const { one, two, send } = await pair({ accepts: ['dialback'] }, { accepts: ['dialback'] });
    net.publish(b, 9);
    send(...numbers(3));
    await one.journal.seen({ event: 'partner-unreachable' });
    net.publish(b, two.port);
    two.edge.send(b, a, message(`v@${b}`, `u@${a}`, 'hello'));
    expect(await one.host.ids(1)).toEqual(['hello']);
    expect(await two.host.ids(3)).toEqual(numbers(3));
  });

  it.each([
    ['no partner of ours', { accepts: [] }, {}, 'no-partner'],
    ['a certificate that names another', {}, { certificate: 'another name' }, 'certificate-wrong-name'],
    ['nobody in DNS', {}, { unpublished: true }, 'dns-not-found'],
  ] as const)('bounces at once what is for %s', async (_, ours, theirs, reason) => {
    const certificate = 'certificate' in theirs ? { certificate: await net.issue({ domains: ['other.example'] }) } : {};
    const { one, send } = await pair(ours, certificate);
    if ('unpublished' in theirs) net.dns.remove(`_xmpp-server._tcp.${b}`);
    send('1', '2');
    expect(await one.host.bounces(2)).toEqual([`1: ${reason}`, `2: ${reason}`]);
    expect(await one.journal.seen({ event: 'partner-unreachable', reason })).toMatchObject({
      home: a,
      partner: b,
      retryMs: undefined,
    });
  });

  it('holds what a partner does not take yet within bounds, and goes on when it does', async () => {
    const queue = { stanzas: 20, bytes: 1_000_000, waitMs: 60_000 };
    const { one, two, send } = await pair({ options: { queue } });
    net.publish(b, 9);
    send(...numbers(25));
    expect(await one.host.bounces(5)).toEqual(numbers(5, 21).map((id) => `${id}: queue-full`));
    await one.journal.seen({ event: 'partner-unreachable' });
    net.publish(b, two.port);
    expect(await two.host.ids(20)).toEqual(numbers(20));
    expect(one.host.rooms).toEqual([`${a} ${b}`]);
    expect(one.edge.load.queued).toBe(0);
  });

  it('bounces what waits longer than it may', async () => {
    const queue = { stanzas: 20, bytes: 1_000_000, waitMs: 50 };
    const { one, send } = await pair({ options: { queue } });
    net.publish(b, 9);
    send(...numbers(15));
    expect(await one.host.bounces(15)).toEqual(numbers(15).map((id) => `${id}: queue-expired`));
    await one.host.watch.until(() => one.host.rooms.length > 0);
    expect(one.host.rooms).toEqual([`${a} ${b}`]);
  });

  it('stops reading a partner while the middle has no room for it, and reads on when it has', async () => {
    const { one, two, send } = await pair({ options: { bidi: false } }, { options: { bidi: false } });
    two.host.roomy = false;
    send('1');
    await two.host.ids(1);
    send('2');
    // What comes back arrives by another stream, and tells that the first was written long ago.
    two.edge.send(b, a, message(`v@${b}`, `u@${a}`, 'back'));
    await one.host.ids(1);
    expect(two.host.received).toHaveLength(1);
    two.host.roomy = true;
    two.edge.room(b, 'other.example');
    expect(two.host.received).toHaveLength(1);
    two.edge.room(b, a);
    expect(await two.host.ids(2)).toEqual(['1', '2']);
  });

  it('refuses further streams of a partner that has as many as it may', async () => {
    const { one, two, send } = await pair({}, {});
    two.host.streams = 0;
    send('1');
    expect(await two.journal.seen({ event: 'stream-refused', reason: 'connections-full' })).toMatchObject({
      condition: 'resource-constraint',
    });
    await one.journal.seen({ event: 'partner-unreachable' });
    two.host.streams = 1;
    expect(await two.host.ids(1)).toEqual(['1']);
    await interrupt(one, two);
    await two.host.watch.until(() => two.host.admitted.get(a) === 0);
  });

  it('flushes what its streams hold when it closes, and bounces what has none', async () => {
    const { one, two, send } = await pair();
    send('0');
    await two.host.ids(1);
    send(...numbers(500));
    one.edge.send(a, 'nowhere.example', message(`u@${a}`, 'v@nowhere.example', 'lost'));
    await one.edge.close();
    expect(await two.host.ids(501)).toEqual(['0', ...numbers(500)]);
    expect(one.host.bounced.map(({ stanza, reason }) => `${stanza.id}: ${reason}`)).toEqual(['lost: shutting-down']);
    expect(one.edge.load).toMatchObject({ incoming: 0, outgoing: 0, queued: 0 });
    one.edge.send(a, b, message(`u@${a}`, `v@${b}`, 'late'));
    expect(await one.host.bounces(2)).toContain('late: shutting-down');
    await one.edge.close();
  });

  it('closes at once while a stream is still being negotiated, on either side', async () => {
    const raw = await RawPartner.start(net, 'raw.example');
    const { one } = await pair({ options: { tlsRequired: false }, accepts: ['dialback'] });
    one.edge.send(a, 'raw.example', message(`u@${a}`, 'v@raw.example', '1'));
    await (await raw.server.next()).read(/<stream:stream /);
    const client = await RawStream.connect({ address: '127.0.0.1', port: one.port });
    await client.write(streamHeader({ from: 'raw.example', to: a }));
    await client.read(/<\/stream:features>/);
    const closing = one.edge.close();
    await client.read(/<\/stream:stream>/);
    await client.close();
    await closing;
    expect(await one.host.bounces(1)).toEqual(['1: shutting-down']);
    await raw.close();
  });

  it.each(['certificate', 'dialback'])('leaves nothing behind when it is closed, proven by %s', async (proof) => {
    const program = fileURLToPath(new URL('testing/lifetime.fixture.ts', import.meta.url));
    const child = spawn(process.execPath, [program, proof], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    const [code] = await once(child, 'close');
    expect([said, code]).toEqual(['closed', 0]);
  });
});
