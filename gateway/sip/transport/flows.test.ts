import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { createSecureContext, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, issueCertificate } from '../../../pki/issue.ts';
import { dersOf } from '../../../pki/testing/chains.ts';
import { opensslCertificate } from '../../../pki/testing/openssl.ts';
import { Fault } from '../../../policies/fault.ts';
import { RawPeer } from '../../xmpp/testing/raw-peer.fixture.ts';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import type { Flow, FlowTarget } from './flow.ts';
import {
  Certificates,
  closeAll,
  contextOf,
  rawPeer,
  rawTlsPeer,
  request,
  type Side,
  side,
} from './testing/net.fixture.ts';

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.create();
  await certificates.add('home.example', 'other.example', 'partner.example', 'sub.partner.example');
});
afterEach(closeAll);

const local = { host: '127.0.0.1', port: 0 };
const never = new AbortController().signal;

/** A partner's side and ours, which listens. */
async function pair(options: Parameters<typeof side>[1] = {}) {
  const home = side(certificates, options);
  const partner = side(certificates);
  const { host, port } = await home.flows.listen({ ...local, tls: true });
  const target: FlowTarget = { host, port, tls: true, name: 'home.example', localName: 'partner.example' };
  return { home, partner, target };
}

async function pemOf(domain: string) {
  const { certificatePem, keyPem } = await certificates.pair(domain);
  return { cert: certificatePem, key: keyPem };
}

/** Sends a message over a flow and waits until the other side has it; returns the other side's flow. */
async function across(flow: Flow, to: Side, message = request()): Promise<Flow> {
  flow.send(Buffer.from(message));
  return (await to.user.next()).flow;
}

describe('A flow between two partners', () => {
  it('carries messages both ways, and shows each who the other is', async () => {
    const { home, partner, target } = await pair();
    const flow = await partner.flows.connect(target, never);
    const back = await across(flow, home, request({ body: 'over there' }));
    expect(home.user.messages[0]?.message.body.toString()).toBe('over there');
    back.send(Buffer.from(request({ body: 'and back' })));
    expect((await partner.user.next()).message.body.toString()).toBe('and back');
    expect(flow).toMatchObject({ secure: true, open: true, name: 'home.example', opened: 'by-us' });
    expect(back).toMatchObject({ secure: true, open: true, name: 'home.example', opened: 'by-peer' });
    expect(flow.remote).toEqual({ host: '127.0.0.1', port: target.port });
    expect(back.remote).toEqual(flow.local);
    expect([flow.peer.identities, back.peer.identities]).toEqual([['home.example'], ['partner.example']]);
    expect([flow.peer.chain.length, back.peer.chain.length]).toEqual([2, 2]);
  });

  it('stands when its certificate is replaced by one of another name in later handshakes', async () => {
    const { home, partner, target } = await pair();
    await partner.flows.connect(target, never);
    const other = await partner.flows.connect({ ...target, name: 'other.example' }, never);
    expect(other.peer.identities).toEqual(['other.example']);
    expect((await across(other, home)).name).toBe('other.example');
    expect([...partner.flows.flows()]).toHaveLength(2);
  });

  it('sends what one turn writes at once, in order', async () => {
    const { home, partner, target } = await pair();
    const flow = await partner.flows.connect(target, never);
    const subjects = Array.from({ length: 500 }, (_, at) => String(at));
    for (const body of subjects) flow.send(Buffer.from(request({ body })));
    await home.user.watch.until(() => home.user.messages.length === 500);
    expect(home.user.messages.map(({ message }) => message.body.toString())).toEqual(subjects);
  });

  it('is closed by either side in good order: what was sent before arrives', async () => {
    const { home, partner, target } = await pair();
    const flow = await partner.flows.connect(target, never);
    flow.send(Buffer.from(request({ body: 'last' })));
    flow.close('Nothing more to say.');
    flow.send(Buffer.from(request({ body: 'too late' })));
    expect(flow.open).toBe(false);
    expect((await home.user.next()).message.body.toString()).toBe('last');
    expect(await home.user.whyOver()).toBe('Closed by the peer.');
    expect(await partner.user.whyOver()).toBe('Nothing more to say.');
    flow.close();
    expect([partner.user.ended.length, home.user.messages.length]).toEqual([1, 1]);
    expect(partner.flows.counters).toMatchObject({ open: { byUs: 0 }, opened: { byUs: 1 }, ended: { 'by-us': 1 } });
    expect(home.flows.counters).toMatchObject({ open: { byPeer: 0 }, opened: { byPeer: 1 }, ended: { 'by-peer': 1 } });
  });
});

describe('Who connects', () => {
  it('need not show a certificate, nor one that holds: that is judged later', async () => {
    const { home, target } = await pair();
    const stranger = await issueCertificate(await createAuthority({ name: 'x' }), { domains: ['partner.example'] });
    const nobody = await rawTlsPeer(target, { servername: 'home.example' });
    nobody.write(request());
    expect((await home.user.next()).flow.peer).toEqual({ chain: [], identities: [] });
    const somebody = await rawTlsPeer(target, { servername: 'home.example', secureContext: contextOf(stranger) });
    somebody.write(request());
    expect((await home.user.next()).flow.peer).toEqual({ chain: dersOf(stranger), identities: ['partner.example'] });
  });

  it('may have a certificate for SIP alone (RFC 5924), which OpenSSL itself would refuse', async () => {
    const { home, target } = await pair();
    const extensions = ['subjectAltName=URI:sip:partner.example', 'extendedKeyUsage=1.3.6.1.5.5.7.3.20'];
    const sipOnly = await opensslCertificate({ commonName: 'x', extensions });
    const peer = await rawTlsPeer(target, { servername: 'home.example', secureContext: contextOf(sipOnly) });
    peer.write(request());
    expect((await home.user.next()).flow.peer.identities).toEqual(['partner.example']);
  });

  it.each([
    ['TLSv1.2' as const, 'ours'],
    ['TLSv1.3' as const, 'ours'],
    ['TLSv1.2' as const, 'made elsewhere'],
    ['TLSv1.3' as const, 'made elsewhere'],
  ])('resumes no session over %s, which would hide its chain; contexts %s', async (version, made) => {
    const elsewhere = createSecureContext({ ...(await pemOf('home.example')), sessionIdContext: 'elsewhere' });
    const { home, target } = await pair(made === 'ours' ? {} : { secureContextFor: () => elsewhere });
    const secureContext = certificates.context('partner.example');
    const options = { servername: 'home.example', secureContext, minVersion: version, maxVersion: version };
    const first = await rawTlsPeer(target, options);
    let session: Buffer | undefined;
    first.socket.on('session', (ticket) => {
      session = ticket;
    });
    first.write(request());
    const { flow } = await home.user.next();
    flow.send(Buffer.from(request()));
    await first.read(/\r\n\r\n$/);
    const again = await rawTlsPeer(target, { ...options, ...(session && { session }) });
    again.write(request());
    expect((await home.user.next()).flow.peer.chain).toHaveLength(2);
    expect(again.socket.isSessionReused()).toBe(false);
  });

  it('must speak the oldest version that is spoken here, whatever the context of the name says', async () => {
    const { home, target } = await pair({ minVersion: 'TLSv1.3' });
    const old = rawTlsPeer(target, { servername: 'home.example', maxVersion: 'TLSv1.2' });
    await expect(old).rejects.toMatchObject({ code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
    await home.user.watch.until(() => home.user.refused[0] === 'handshake-failed');
  });

  it('is refused where it asks for a name that is not here, or for none and there is no default', async () => {
    const { home, target } = await pair();
    await expect(rawTlsPeer(target, { servername: 'elsewhere.example' })).rejects.toThrow();
    await home.user.watch.until(() => home.user.refused.length === 1);
    await expect(rawTlsPeer(target)).rejects.toThrow();
    await home.user.watch.until(() => home.user.refused.length === 2);
    expect(home.user.refused).toEqual(['name-unknown', 'handshake-failed']);
  });

  it('is given the default certificate where it asks for no name', async () => {
    const secureContextFor = (name: string) => certificates.contextFor(name || 'home.example');
    const { home, target } = await pair({ secureContextFor });
    const peer = await rawTlsPeer(target);
    const shown = peer.socket.getPeerCertificate(true);
    expect([shown.subjectaltname, shown.issuerCertificate.subject.CN]).toEqual([
      expect.stringContaining('home.example'),
      'Trunk issuer',
    ]);
    peer.write(request());
    expect((await home.user.next()).flow.name).toBe('');
  });

  it('finds its name whatever the letters', async () => {
    const { home, target } = await pair();
    const peer = await rawTlsPeer(target, { servername: 'HOME.Example' });
    peer.write(request());
    expect((await home.user.next()).flow.name).toBe('home.example');
  });

  it('is refused when it speaks no TLS, and counted out', async () => {
    const { home, target } = await pair({ limits: { perAddress: 1 } });
    const peer = await rawPeer(target);
    peer.write(request());
    await peer.over();
    await home.user.watch.until(() => home.user.refused[0] === 'handshake-failed');
    await expect(rawTlsPeer(target, { servername: 'home.example' })).resolves.toBeDefined();
  });

  it('is refused past the bounds, and from where nobody is admitted', async () => {
    const home = side(certificates, { limits: { perAddress: 1 } });
    const at = await home.flows.listen({ ...local, tls: false, admits: (address) => address === '127.0.0.1' });
    const first = await rawPeer(at);
    const second = await rawPeer(at);
    await second.over();
    const elsewhere = connectTcp({ ...at, localAddress: '127.0.0.9' });
    await once(elsewhere, 'close');
    expect(home.user.refused).toEqual(['address-full', 'address-not-admitted']);
    first.write(request());
    expect((await home.user.next()).flow).toMatchObject({
      secure: false,
      peer: { chain: [], identities: [] },
      name: '',
    });
    expect(home.flows.counters.refused).toMatchObject({ 'address-full': 1, 'address-not-admitted': 1 });
  });
});

describe('Connecting', () => {
  it('gives up on a peer that does not prove to be the domain asked for, and sends it nothing', async () => {
    const { home, partner, target } = await pair({ secureContextFor: () => certificates.context('other.example') });
    await expect(partner.flows.connect(target, never)).rejects.toMatchObject({ code: 'certificate-wrong-name' });
    await home.user.watch.until(() => home.user.ended.length + home.user.refused.length === 1);
    expect([home.user.messages, [...partner.flows.flows()]]).toEqual([[], []]);
  });

  it('says that nobody is there, that TLS fails, and that we have no certificate', async () => {
    const { partner, target } = await pair();
    const plain = createServer((socket) => socket.resume().end('Welcome\r\n'));
    plain.listen(local);
    await once(plain, 'listening');
    const { port } = plain.address() as { port: number };
    await expect(partner.flows.connect({ ...target, port })).rejects.toMatchObject({ code: 'tls-failed' });
    plain.close();
    await once(plain, 'close');
    await expect(partner.flows.connect({ ...target, port })).rejects.toMatchObject({ code: 'remote-unreachable' });
    const nameless = { ...target, localName: 'nobody.example' };
    await expect(partner.flows.connect(nameless)).rejects.toMatchObject({ code: 'certificate-unusable' });
    await expect(partner.flows.connect({ ...target, name: 'nobody.example' })).rejects.toMatchObject({
      code: 'tls-failed',
    });
  });

  it('is over as soon as it is aborted, and leaves nothing', async () => {
    const silent = createServer();
    const accepted = once(silent.listen(local), 'connection') as Promise<[Socket]>;
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const { partner, target } = await pair();
    const abort = new AbortController();
    const connecting = partner.flows.connect({ ...target, port }, abort.signal);
    const [socket] = await accepted;
    abort.abort(new Error('enough'));
    await expect(connecting).rejects.toThrow('enough');
    socket.resume();
    await once(socket, 'close');
    await expect(partner.flows.connect(target, abort.signal)).rejects.toThrow('enough');
    silent.close();
  });

  it('is done once for all who want the same, and not given up while one of them waits', async () => {
    const { home, partner, target } = await pair();
    const abort = new AbortController();
    const all = [
      partner.flows.connect(target, abort.signal),
      partner.flows.connect(target),
      partner.flows.connect(target),
    ];
    abort.abort(new Error('enough'));
    await expect(all[0]).rejects.toThrow('enough');
    const [one, two] = await Promise.all(all.slice(1));
    expect(one).toBe(two);
    expect(await partner.flows.connect(target)).toBe(one);
    if (one) await across(one, home);
    expect(home.flows.counters.opened.byPeer).toBe(1);
  });

  it('is refused past the bound of our own connections', async () => {
    const { target } = await pair();
    const partner = side(certificates, { limits: { outgoing: 1 } });
    const flow = await partner.flows.connect(target);
    const other = { ...target, name: 'other.example' };
    await expect(partner.flows.connect(other)).rejects.toMatchObject({ code: 'connections-full' });
    flow.close();
    await partner.user.whyOver();
    await expect(partner.flows.connect(other)).resolves.toBeDefined();
  });
});

describe('A connection that the peer opened', () => {
  const LISTENS = 5071;
  const back = { host: '127.0.0.1', port: LISTENS, tls: true, name: 'partner.example', localName: 'home.example' };
  const via = (port: string | number, params: string): string => `sip.partner.example${port};x=y${params}`;

  it('carries requests to it, where it said so and is who it says', async () => {
    const { home, partner, target } = await pair();
    const flow = await partner.flows.connect(target);
    const there = await across(flow, home, request({ via: via(`:${LISTENS}`, ';alias') }));
    expect(home.flows.standing(back)).toBe(there);
    expect(await home.flows.connect(back)).toBe(there);
    there.send(Buffer.from(request({ body: 'the other way' })));
    expect((await partner.user.next()).flow).toBe(flow);
    there.close();
    expect(home.flows.standing(back)).toBeUndefined();
  });

  it('stands for the default port where its Via names none', async () => {
    const { home, partner, target } = await pair();
    const there = await across(await partner.flows.connect(target), home, request({ via: via('', ';alias') }));
    expect(home.flows.standing({ ...back, port: 5061 })).toBe(there);
  });

  it.each<[why: string, via: string, different: Partial<FlowTarget>]>([
    ['that did not ask for it', via(':5071', ''), {}],
    ['for another port', via(':5072', ';alias'), {}],
    ['for another address', via(':5071', ';alias'), { host: '127.0.0.2' }],
    ['for a domain that its certificate does not name', via(':5071', ';alias'), { name: 'other.example' }],
    ['for a subdomain of what it names', via(':5071', ';alias'), { name: 'sub.partner.example' }],
    ['for another domain of ours', via(':5071', ';alias'), { localName: 'other.example' }],
    ['for requests in clear', via(':5071', ';alias'), { tls: false }],
  ])('is not reused %s', async (_, viaText, different) => {
    const { home, partner, target } = await pair();
    await across(await partner.flows.connect(target), home, request({ via: viaText }));
    expect(home.flows.standing({ ...back, ...different })).toBeUndefined();
  });

  it('is not reused where its certificate names the domain and nobody vouches for it', async () => {
    const { home, target } = await pair();
    const stranger = await issueCertificate(await createAuthority({ name: 'x' }), { domains: ['partner.example'] });
    const peer = await rawTlsPeer(target, { servername: 'home.example', secureContext: contextOf(stranger) });
    peer.write(request({ via: via(':5071', ';alias') }));
    expect((await home.user.next()).flow.peer.identities).toEqual(['partner.example']);
    expect(home.flows.standing(back)).toBeUndefined();
  });

  it('is not reused for longer than a minute after its proof ceased to hold', async () => {
    let distrusted: Fault | undefined;
    const clock = new FakeClock();
    const { home, partner, target } = await pair({ clock, judge: () => distrusted });
    await across(await partner.flows.connect(target), home, request({ via: via(':5071', ';alias') }));
    expect(home.flows.standing(back)).toBeDefined();
    distrusted = new Fault('certificate-expired');
    clock.advance(59_999);
    expect(home.flows.standing(back)).toBeDefined();
    clock.advance(1);
    expect(home.flows.standing(back)).toBeUndefined();
  });

  it('fills no table with ports', async () => {
    const { home, partner, target } = await pair();
    const flow = await partner.flows.connect(target);
    for (const port of [1, 2, 3, 4, 5]) await across(flow, home, request({ via: via(`:${port}`, ';alias') }));
    const reused = [1, 2, 3, 4, 5].map((port) => home.flows.standing({ ...back, port }) !== undefined);
    expect(reused).toEqual([true, true, true, true, false]);
  });

  it('leaves a message with a broken Via to those above', async () => {
    const { home, partner, target } = await pair();
    const flow = await partner.flows.connect(target);
    await across(flow, home, 'BYE sip:x SIP/2.0\r\nVia: ;;;alias\r\nContent-Length: 0\r\n\r\n');
    expect(home.user.messages[0]?.message.headers.get('Via')).toBe(';;;alias');
  });
});

describe('Closing', () => {
  it('ends listeners, flows and attempts, at once for all who ask', async () => {
    const { home, partner, target } = await pair();
    const flow = await partner.flows.connect(target);
    const there = await across(flow, home);
    await rawPeer(target);
    const attempt = home.flows.connect({
      ...target,
      host: '127.0.0.2',
      name: 'partner.example',
      localName: 'home.example',
    });
    await Promise.all([
      expect(attempt).rejects.toMatchObject({ code: 'shutting-down' }),
      home.flows.close(),
      home.flows.close(),
    ]);
    expect([there.open, home.user.ended[0]?.why, await partner.user.whyOver()]).toEqual([
      false,
      'The gateway is stopping.',
      'Closed by the peer.',
    ]);
    await expect(rawPeer(target)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(home.flows.connect(target)).rejects.toMatchObject({ code: 'shutting-down' });
    await expect(home.flows.listen({ ...local, tls: true })).rejects.toMatchObject({ code: 'shutting-down' });
  });

  it('leaves nothing behind', async () => {
    const program = fileURLToPath(new URL('testing/lifetime.fixture.ts', import.meta.url));
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    const [code] = await once(child, 'close');
    expect([said, code]).toEqual(['closed', 0]);
  });

  it('says why it cannot listen', async () => {
    const { home, target } = await pair();
    const taken = home.flows.listen({ host: target.host, port: target.port, tls: true });
    await expect(taken).rejects.toMatchObject({ code: 'listen-failed', cause: { code: 'EADDRINUSE' } });
  });
});

describe('A flow in clear', () => {
  it('is reused for what it was opened to, and for nothing else', async () => {
    const pbx = createServer();
    pbx.listen(local);
    await once(pbx, 'listening');
    const { port } = pbx.address() as { port: number };
    const home = side(certificates);
    const target = { host: '127.0.0.1', port, tls: false, name: 'pbx', localName: 'home.example' };
    const [flow, [socket]] = await Promise.all([
      home.flows.connect(target),
      once(pbx, 'connection') as Promise<[Socket]>,
    ]);
    const peer = new RawPeer(socket);
    flow.send(Buffer.from(request({ body: 'in clear' })));
    await peer.read(/in clear$/);
    expect(home.flows.standing(target)).toBe(flow);
    expect(home.flows.standing({ ...target, name: 'another' })).toBeUndefined();
    expect(home.flows.standing({ ...target, tls: true })).toBeUndefined();
    pbx.close();
  });
});

describe('A partner that is a TLS server of another make', () => {
  it('is asked by SNI for its domain, and shown the certificate of ours', async () => {
    const pair = await certificates.pair('partner.example');
    const server = createTlsServer({
      cert: pair.certificatePem,
      key: pair.keyPem,
      requestCert: true,
      rejectUnauthorized: false,
    });
    server.listen(local);
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const home = side(certificates);
    const target = { host: '127.0.0.1', port, tls: true, name: 'partner.example', localName: 'home.example' };
    const connected = once(server, 'secureConnection') as Promise<[TLSSocket & { servername: string }]>;
    const [flow, [socket]] = await Promise.all([home.flows.connect(target), connected]);
    expect(socket.servername).toBe('partner.example');
    expect(socket.getPeerCertificate().subjectaltname).toContain('home.example');
    expect(flow.peer.identities).toEqual(['partner.example']);
    server.close();
  });
});
