import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RawStream, streamHeader } from '../../conformance/peers/raw.ts';
import type { KeyPair } from '../../pki/issue.ts';
import { type TestEdge, type TestEdgeOptions, TestNet } from './testing/edge.fixture.ts';

const home = 'h.example';
const partner = 'p.example';
const header = streamHeader({ from: partner, to: home });
const starttls = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const auth = (content: string, mechanism = 'EXTERNAL'): string =>
  `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='${mechanism}'>${content}</auth>`;
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const stanza = (from: string, to: string, id = '1'): string => `<message from='${from}' to='${to}' id='${id}'/>`;

describe('A stream that a partner opens', () => {
  let net: TestNet;
  let certificate: KeyPair;
  let side: TestEdge;
  const open: RawStream[] = [];

  beforeAll(async () => {
    net = await TestNet.start();
    certificate = await net.issue({ domains: [partner] });
  });
  afterAll(() => net.close());
  beforeEach(async () => {
    side = await edge();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((stream) => stream.close()));
  });

  const edge = (wanted: Partial<TestEdgeOptions> = {}): Promise<TestEdge> =>
    net.edge({ domains: [home, 'h2.example'], ...wanted });
  const connect = async (to = side): Promise<RawStream> => {
    const stream = await RawStream.connect({ address: '127.0.0.1', port: to.port });
    open.push(stream);
    return stream;
  };
  const secured = async (pair: KeyPair | undefined = certificate, to = side): Promise<RawStream> => {
    const stream = await connect(to);
    await stream.write(header);
    await stream.read(/<\/stream:features>/);
    await stream.write(starttls);
    await stream.read(/<proceed [^>]*\/>/);
    await stream.startTls({ servername: home, ...(pair && { cert: pair.certificatePem, key: pair.keyPem }) });
    await stream.write(header);
    return stream;
  };
  const authenticated = async (): Promise<RawStream> => {
    const stream = await secured();
    await stream.write(auth('='));
    await stream.read(/<success [^>]*\/>/);
    await stream.write(header);
    await stream.read(/<\/stream:features>/);
    return stream;
  };
  const condition = async (stream: RawStream): Promise<string> => {
    const text = await stream.read(/<stream:error>.*<\/stream:error><\/stream:stream>/);
    return /<stream:error><([a-z-]+) /.exec(text)?.[1] ?? '';
  };

  it('is offered TLS and nothing else before it', async () => {
    const stream = await connect();
    await stream.write(header);
    const answer = await stream.read(/<\/stream:features>/);
    expect(answer).toMatch(
      /<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required\/><\/starttls><\/stream:features>$/,
    );
    expect(answer).toMatch(/from='h\.example' to='p\.example' id='[0-9a-f]{32}' version='1\.0'/);
  });

  it('is offered EXTERNAL first where the certificate suffices, and has a new id after every restart', async () => {
    const stream = await connect();
    await stream.write(header);
    const ids = [/ id='([^']*)'/.exec(await stream.read(/<\/stream:features>/))?.[1]];
    await stream.write(starttls);
    await stream.read(/<proceed [^>]*\/>/);
    await stream.startTls({ cert: certificate.certificatePem, key: certificate.keyPem });
    await stream.write(header);
    const offered = await stream.read(/<\/stream:features>/);
    ids.push(/ id='([^']*)'/.exec(offered)?.[1]);
    expect(offered).toContain(
      "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>",
    );
    await stream.write(auth(base64(partner)));
    await stream.read(/<success [^>]*\/>/);
    await stream.write(header);
    const after = await stream.read(/<\/stream:features>/);
    ids.push(/ id='([^']*)'/.exec(after)?.[1]);
    expect(new Set(ids).size).toBe(3);
    expect(after).not.toContain('mechanisms');
    await stream.write(stanza(`u@${partner}`, `v@${home}`));
    expect(await side.host.ids(1)).toEqual(['1']);
  });

  it.each([
    ['no certificate', undefined, 'certificate-missing'],
    ['the certificate of another', ['q.example'], 'certificate-wrong-name'],
  ] as const)('is sent away with %s where nothing but that is accepted', async (_, domains, reason) => {
    const stream = await connect();
    const pair = domains && (await net.issue({ domains }));
    await stream.write(header);
    await stream.read(/<\/stream:features>/);
    await stream.write(starttls);
    await stream.read(/<proceed [^>]*\/>/);
    await stream.startTls(pair ? { cert: pair.certificatePem, key: pair.keyPem } : {});
    await stream.write(header);
    expect(await condition(stream)).toBe('not-authorized');
    expect(await side.journal.seen({ event: 'stream-refused', reason })).toMatchObject({
      direction: 'inbound',
      partner,
    });
  });

  it.each([
    ['nothing', ''],
    ['the empty response', '='],
    ['its domain', base64(partner)],
    ['its domain in capitals', base64('P.EXAMPLE')],
  ])('may give %s as its identity', async (_, content) => {
    const stream = await secured();
    await stream.write(auth(content));
    await stream.read(/<success [^>]*\/>/);
    expect(side.journal.of({ event: 'stream-proven' })).toMatchObject([{ partner, home }]);
  });

  it.each([
    ['another domain', auth(base64('q.example')), 'invalid-authzid'],
    ['a user', auth(base64(`u@${partner}`)), 'invalid-authzid'],
    ['no base64', auth('p.example'), 'incorrect-encoding'],
    ['base64 with loose bits', auth(`${base64('a').slice(0, 1)}R==`), 'incorrect-encoding'],
    ['another mechanism', auth(base64('x'), 'PLAIN'), 'invalid-mechanism'],
    ['an abort', "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", 'aborted'],
    ['a response to nothing', "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", 'malformed-request'],
  ])('that gives %s is refused, and sent away the third time', async (_, text, failure) => {
    const stream = await secured();
    for (let attempt = 0; attempt < 2; attempt++) {
      await stream.write(text);
      expect(await stream.read(/<\/failure>/)).toContain(`<${failure}/>`);
    }
    await stream.write(text);
    expect(await condition(stream)).toBe('policy-violation');
    expect(side.journal.of({ event: 'stream-proven' })).toEqual([]);
  });

  it.each([
    ['TLS twice', [starttls], 'policy-violation'],
    ['an XML declaration in the middle', [header], 'restricted-xml'],
    ['authentication where a new header is due', [auth('='), auth('=')], 'invalid-namespace'],
  ])('restarts by the rules only: %s ends it', async (_, texts, expected) => {
    const stream = await secured();
    await stream.read(/<\/stream:features>/);
    for (const text of texts) await stream.write(text);
    expect(await condition(stream)).toBe(expected);
  });

  it.each([
    ['a domain we do not host', streamHeader({ from: partner, to: 'stranger.example' }), 'host-unknown'],
    ['no domain at all', streamHeader({ from: partner, to: 'a..b' }), 'improper-addressing'],
    ['a sender that is none', streamHeader({ from: 'a..b', to: home }), 'improper-addressing'],
    ['another namespace', header.replace('jabber:server', 'jabber:client'), 'invalid-namespace'],
    ['no version', header.replace(" version='1.0'>", '>'), 'policy-violation'],
  ])('to %s ends with the condition of RFC 6120', async (_, text, expected) => {
    const stream = await connect();
    await stream.write(text);
    expect(await condition(stream)).toBe(expected);
  });

  it('may not become another after it has authenticated', async () => {
    const stream = await secured();
    await stream.write(auth('='));
    await stream.read(/<success [^>]*\/>/);
    await stream.write(streamHeader({ from: 'q.example', to: home }));
    expect(await condition(stream)).toBe('invalid-from');
  });

  it.each([
    ['dialback in clear', `<db:result from='${partner}' to='${home}'>key</db:result>`, 'policy-violation'],
    ['EXTERNAL in clear', auth('='), 'malformed-request'],
    ['a stanza', stanza(`u@${partner}`, home), 'not-authorized'],
    ['what is too large', `<x xmlns='urn:example'>${'x'.repeat(11_000)}</x>`, 'policy-violation'],
    ['what it does not know', "<x xmlns='urn:example'/>", 'unsupported-stanza-type'],
  ])('does not accept %s before proof', async (_, text, expected) => {
    const stream = await connect();
    await stream.write(header);
    await stream.read(/<\/stream:features>/);
    await stream.write(text);
    if (expected === 'malformed-request') expect(await stream.read(/<\/failure>/)).toContain(`<${expected}/>`);
    else expect(await condition(stream)).toBe(expected);
    expect(side.host.received).toEqual([]);
  });

  it.each([
    ['from another domain', stanza('u@q.example', home), 'invalid-from', 'sender-not-proven'],
    ['from a subdomain', stanza(`u@rooms.${partner}`, home), 'invalid-from', 'sender-not-proven'],
    ['from nobody', `<message to='${home}'/>`, 'improper-addressing', 'address-malformed'],
    ['to nobody', `<message from='u@${partner}'/>`, 'improper-addressing', 'address-malformed'],
    ['to a third domain', stanza(`u@${partner}`, 'u@third.example'), 'host-unknown', 'domain-not-home'],
  ])('ends over a stanza %s', async (_, text, expected, reason) => {
    const stream = await authenticated();
    await stream.write(text);
    expect(await condition(stream)).toBe(expected);
    await side.journal.seen({ event: 'stream-refused', reason: reason as 'sender-not-proven' });
    expect(side.host.received).toEqual([]);
  });

  it('carries stanzas to each of our domains, whichever it was opened to', async () => {
    const stream = await authenticated();
    await stream.write(stanza(`u@${partner}`, 'v@h2.example') + stanza(partner, `v@${home}/r`, '2'));
    expect(await side.host.ids(2)).toEqual(['1', '2']);
    expect(side.host.received.map((one) => `${one.partner} ${one.home}`)).toEqual([
      `${partner} h2.example`,
      `${partner} ${home}`,
    ]);
  });

  it.each([
    ['says nothing', ''],
    ['only opens a stream', header],
    ['dribbles', `${header}<starttls`],
  ])('ends with connection-timeout when the peer %s', async (_, text) => {
    const hasty = await edge({ options: { authTimeoutMs: 50 } });
    const stream = await connect(hasty);
    if (text !== '') await stream.write(text);
    expect(await condition(stream)).toBe('connection-timeout');
    expect(await hasty.journal.seen({ event: 'stream-refused', reason: 'stream-timeout' })).toBeDefined();
  });

  it('ends without a word when the handshake of TLS takes too long', async () => {
    const hasty = await edge({ tls: 'direct', options: { authTimeoutMs: 50 } });
    const stream = await connect(hasty);
    await stream.closed;
    expect(stream.unread).toBe('');
    expect(await hasty.journal.seen({ event: 'stream-refused', reason: 'tls-failed' })).toBeDefined();
  });

  it('is let in by the gate, or not at all', async () => {
    const narrow = await edge({ limits: { perAddress: 1 } });
    const first = await connect(narrow);
    await first.write(header);
    await first.read(/<\/stream:features>/);
    const second = await connect(narrow);
    await second.closed;
    expect(second.unread).toBe('');
    expect(narrow.journal.of({ event: 'connection-refused', reason: 'connections-full' })).toMatchObject([
      { address: '127.0.0.1' },
    ]);
    expect(narrow.edge.load).toMatchObject({ incoming: 1, connections: 1 });
  });
});
