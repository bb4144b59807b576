import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerValue } from '../conformance/peers/sip-reader.ts';
import { SipWire, SipWireServer } from '../conformance/peers/sip-wire.ts';
import { createAuthority, issueCertificate, type KeyPair } from '../pki/issue.ts';
import { DemoClient } from './demo/client.ts';
import { type Gateway, startGateway } from './gateway.ts';
import { Accounts } from './home/embedded/accounts.ts';
import { Store } from './store/store.ts';

const PASSWORD = 'moat-and-tower';

/** A gateway with its own users and one partner over a SIP trunk, whose server the test plays itself. */
class Site {
  readonly folder: string;
  readonly authorityPem: string;
  readonly theirs: KeyPair;
  readonly server: SipWireServer;
  readonly gateway: Gateway;

  static async build(): Promise<Site> {
    const folder = await mkdtemp(join(tmpdir(), 'drawbridge-sip-'));
    const authority = await createAuthority({ name: 'test' });
    const ours = await issueCertificate(authority, { domains: ['h.example'] });
    const theirs = await issueCertificate(authority, { domains: ['p.example'] });
    const server = await SipWireServer.start('127.0.0.1', { cert: theirs.certificatePem, key: theirs.keyPem });
    const put = (name: string, text: string) => writeFile(join(folder, name), text);
    for (const name of ['policies', 'state']) await mkdir(join(folder, name), { mode: 0o700 });
    await put('ca.pem', authority.certificatePem);
    await put('own.pem', ours.certificatePem);
    await put('own.key', ours.keyPem);
    await put('policies/p.example.yaml', policy(server.port));
    // Its server shows the certificate of another.
    await put('policies/q.example.yaml', policy(server.port).replace('p.example', 'q.example'));
    await put(
      'gateway.yaml',
      `home: { domains: [h.example], xmpp: { link: embedded, listen: ["127.0.0.1:0"] } }
edges: { xmpp: { listen: ["127.0.0.1:0"] }, sip: { listen: ["127.0.0.1:0"] } }
tls: { certificates: [{ cert: own.pem, key: own.key }], trust: [ca.pem] }
dns: { servers: ["127.0.0.1:1"] }
log: { level: silent }
`,
    );
    const file = join(folder, 'state', 'drawbridge.db');
    const store = Store.open({ file, fsync: 'checkpoint', bytes: 64 * 1024 * 1024, now: Date.now });
    await new Accounts(store, { now: Date.now }).add('ann', 'h.example', PASSWORD);
    store.close();
    const gateway = await startGateway(join(folder, 'gateway.yaml'));
    return new Site(folder, authority.certificatePem, theirs, server, gateway);
  }

  private constructor(folder: string, authorityPem: string, theirs: KeyPair, server: SipWireServer, gateway: Gateway) {
    this.folder = folder;
    this.authorityPem = authorityPem;
    this.theirs = theirs;
    this.server = server;
    this.gateway = gateway;
  }

  ann(): Promise<DemoClient> {
    const port = Number(this.gateway.ready.clients[0]?.split(':')[1]);
    const { authorityPem } = this;
    const account = { address: '127.0.0.1', port, local: 'ann', domain: 'h.example', password: PASSWORD, authorityPem };
    return DemoClient.signIn(account, 'desk', AbortSignal.timeout(10_000));
  }

  /** A connection of the partner's to the gateway. */
  partner({ certificatePem, keyPem }: KeyPair = this.theirs): Promise<SipWire> {
    const port = Number(this.gateway.ready.sip[0]?.split(':')[1]);
    const tls = { servername: 'h.example', cert: certificatePem, key: keyPem };
    return SipWire.connect({ address: '127.0.0.1', port, tls });
  }

  async close(): Promise<void> {
    await this.gateway.close();
    await this.server.close();
    await rm(this.folder, { recursive: true });
  }
}

const policy = (port: number) => `partner: p.example
speaks: sip
trust: { accept: [certificate] }
messages: { allow: both }
trunk: { hosts: ["127.0.0.1:${port}"] }
`;

const hello = (to = 'sip:ann@h.example', from = 'sip:bob@p.example') => ({
  method: 'MESSAGE',
  target: to,
  from,
  headers: [['Content-Type', 'text/plain']] as const,
  body: 'hello',
});

describe('a gateway with a SIP trunk', { timeout: 30_000 }, () => {
  let site: Site;
  let ann: DemoClient;
  let wire: SipWire;

  beforeAll(async () => {
    site = await Site.build();
    ann = await site.ann();
    wire = await site.partner();
  }, 30_000);
  afterAll(async () => {
    ann?.close();
    await wire?.close();
    await site?.close();
  });

  it('says where trunks arrive', () => {
    expect(site.gateway.ready.sip).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
  });

  it('brings a MESSAGE to a user, and says 200', async () => {
    const mark = ann.received.mark();
    expect((await wire.exchange(hello())).start).toBe('SIP/2.0 200 OK');
    const message = await ann.received.find(
      'the message',
      ({ name }) => name === 'message',
      mark,
      AbortSignal.timeout(5_000),
    );
    expect([message.attrs.from, message.getChildText('body')]).toEqual(['bob@p.example', 'hello']);
  });

  it('says the truth of a user who is not there', async () => {
    expect((await wire.exchange(hello('sip:nobody@h.example'))).start).toMatch(/^SIP\/2.0 403 /);
  });

  it('refuses sips:, other senders and other methods', async () => {
    expect((await wire.exchange(hello('sips:ann@h.example'))).start).toMatch(/^SIP\/2.0 480 /);
    expect((await wire.exchange(hello('sip:ann@h.example', 'sip:eve@q.example'))).start).toMatch(/^SIP\/2.0 403 /);
    expect((await wire.exchange({ ...hello(), method: 'PUBLISH' })).start).toMatch(/^SIP\/2.0 405 /);
  });

  it('brings what a user says to the partner, and its refusal back', async () => {
    const on = async (carrier: SipWire) => ({ carrier, request: await carrier.request('MESSAGE') });
    // The gateway takes the connection that the partner opened, or one to its server (RFC 5923).
    const either = Promise.any([on(wire), site.server.next().then(on)]);
    ann.say('bob@p.example', 'good morning', 'm1');
    const { carrier, request } = await either;
    expect(request.start).toBe('MESSAGE sip:bob@p.example SIP/2.0');
    expect(request.body.toString()).toBe('good morning');
    const mark = ann.received.mark();
    await carrier.respond(request, 486, 'Busy Here');
    const error = await ann.received.find(
      'the error',
      ({ attrs }) => attrs.id === 'm1',
      mark,
      AbortSignal.timeout(5_000),
    );
    expect([error.attrs.type, error.getChild('error')?.getChildText('text')]).toEqual(['error', 'Busy Here']);
    expect(headerValue(request, 'from')).toContain('sip:ann@h.example;gr=desk');
  });

  it('tells at once that a partner is not who it should be', async () => {
    const mark = ann.received.mark();
    ann.say('eve@q.example', 'hello', 'm2');
    const error = await ann.received.find(
      'the error',
      ({ attrs }) => attrs.id === 'm2',
      mark,
      AbortSignal.timeout(5_000),
    );
    expect(error.getChild('error')?.getChild('not-authorized')).toBeDefined();
  });

  it('takes up another policy: a trunk that is none any more is refused', async () => {
    await writeFile(
      join(site.folder, 'policies', 'p.example.yaml'),
      policy(site.server.port).replace('speaks: sip', 'speaks: xmpp'),
    );
    await site.gateway.reload();
    expect((await wire.exchange(hello())).start).toMatch(/^SIP\/2.0 403 /);
  });
});
