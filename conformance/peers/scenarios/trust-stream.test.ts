import { once } from 'node:events';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type KeyPair, selfSigned } from '../authority.ts';
import { requirePeers } from '../available.ts';
import type { TestClient } from '../client.ts';
import { publishXmpp } from '../dns.ts';
import type { GatewayProcess } from '../gateway.ts';
import type { Prosody } from '../prosody.ts';
import { RawPartner, type RawPartnerOptions } from '../raw-partner.ts';
import { external, RawServer } from '../raw-server.ts';
import { World } from '../world.ts';

const secret = 'component-secret';
const [home, rooms] = ['h.example', 'conference.h.example'];
const bidi = "<bidi xmlns='urn:xmpp:bidi'/>";

const policy = (partner: string, accept = '[certificate]') => `partner: ${partner}
domains: [${partner}]
trust: { accept: ${accept} }
presence: [{ local: "*", show: full }]
messages: { allow: both }
`;

const message = (from: string | undefined, to: string | undefined, body = 'spoofed') =>
  `<message${from === undefined ? '' : ` from='${from}'`}${to === undefined ? '' : ` to='${to}'`}><body>${body}</body></message>`;

describe.runIf(requirePeers('prosody'))('A stream that a partner opens', () => {
  let world: World;
  let server: Prosody;
  let gateway: GatewayProcess;
  let alice: TestClient;
  let certificate: KeyPair;
  const opened: RawPartner[] = [];

  beforeAll(async () => {
    world = await World.start();
    certificate = await world.authority.issue({ domains: ['p.example'] });
    server = await world.prosody({
      domain: home,
      rooms,
      users: { alice: 'pass-a' },
      publish: false,
      components: ['p.example', 'q.example'].map((domain) => ({ domain, secret })),
    });
    gateway = await world.gateway({
      home: server,
      homeDomains: [home, rooms],
      secret,
      policies: { 'p.example.yaml': policy('p.example'), 'q.example.yaml': policy('q.example') },
    });
    await gateway.linked('p.example', 'q.example');
    alice = await world.client(server, 'alice');
  });
  afterAll(() => world?.close());
  afterEach(() => Promise.all(opened.splice(0).map((partner) => partner.close())));

  async function secured(options: Partial<RawPartnerOptions> = {}): Promise<RawPartner> {
    const partner = await RawPartner.secured(gateway, { from: 'p.example', to: home, certificate, ...options });
    opened.push(partner);
    return partner;
  }

  async function proven(options: Partial<RawPartnerOptions> = {}, early = ''): Promise<RawPartner> {
    const partner = await RawPartner.proven(gateway, { from: 'p.example', to: home, certificate, ...options }, early);
    opened.push(partner);
    return partner;
  }

  describe('from a domain without a policy', () => {
    it.each(['with a certificate that all trust', 'with its own certificate, hoping for dialback'])(
      '%s is refused behind TLS',
      async (how) => {
        const domains = ['stranger.example'];
        const theirs = how.startsWith('with a')
          ? await world.authority.issue({ domains })
          : await selfSigned(...domains);
        const before = gateway.log.mark();
        const partner = await secured({ from: 'stranger.example', certificate: theirs });
        expect(await partner.streamError()).toBe('not-authorized');
        const line = await gateway.logged({ event: 'stream-refused', reason: 'no-partner' }, before);
        expect(line).toMatchObject({ partner: 'stranger.example', home, condition: 'not-authorized' });
        expect(world.dns.asked.filter(({ name }) => name.includes('stranger'))).toEqual([]);
      },
    );

    it('is refused a home domain too', async () => {
      const before = gateway.log.mark();
      const theirs = await world.authority.issue({ domains: [home] });
      expect(await (await secured({ from: home, certificate: theirs })).streamError()).toBe('not-authorized');
      await gateway.logged({ event: 'stream-refused', reason: 'no-partner', partner: home }, before);
    });
  });

  describe('with a stanza that it may not send', () => {
    const spoofs = [
      ['of another partner', 'bob@q.example', 'q.example'],
      ['of another partner in upper case', 'bob@Q.EXAMPLE', 'q.example'],
      ['of another partner with the root dot', 'bob@q.example.', 'q.example'],
      ['of another partner in full width', 'bob@\uff51\uff0eexample', 'q.example'],
      ['of a home domain', `ceo@${home}`, home],
      ['of the rooms of the home', `talk@${rooms}/bob`, rooms],
      ['of a subdomain of its own', 'bob@sub.p.example', 'sub.p.example'],
      ['of the domain above its own', 'bob@example', 'example'],
      ['of a domain that only looks like its own', 'bob@\u0440.example', 'xn--p1a.example'],
      ['of its own domain within the resource', 'evil.example/@p.example', 'evil.example'],
      ['of its own domain within the local part', 'bob%p.example@evil.example', 'evil.example'],
    ] as const;

    it.each(spoofs)('from a user %s is cut off', async (_what, from, domain) => {
      const before = gateway.log.mark();
      const partner = await proven();
      await partner.stream.write(message(from, alice.jid));
      expect(await partner.streamError()).toBe('invalid-from');
      const line = await gateway.logged({ event: 'stream-refused', reason: 'sender-not-proven' }, before);
      expect(line).toMatchObject({
        partner: 'p.example',
        home,
        condition: 'invalid-from',
        detail: `A stanza came from ${domain}.`,
      });
    });

    it.each([
      ['to a domain that is no home', 'bob@p.example', 'alice@elsewhere.example', 'host-unknown', 'domain-not-home'],
      ['to another partner, as if we relayed', 'bob@p.example', 'eve@q.example', 'host-unknown', 'domain-not-home'],
      ['without a sender', undefined, `alice@${home}`, 'improper-addressing', 'address-malformed'],
      ['without a recipient', 'bob@p.example', undefined, 'improper-addressing', 'address-malformed'],
      ['from no address at all', '@', `alice@${home}`, 'improper-addressing', 'address-malformed'],
    ] as const)('%s is cut off', async (_what, from, to, condition, reason) => {
      const before = gateway.log.mark();
      const partner = await proven();
      await partner.stream.write(message(from, to));
      expect(await partner.streamError()).toBe(condition);
      expect(await gateway.logged({ event: 'stream-refused', reason }, before)).toMatchObject({
        partner: 'p.example',
        condition,
      });
    });

    it.each(['in clear', 'behind TLS'])('before its proof, %s, is cut off', async (where) => {
      const before = gateway.log.mark();
      const options = { from: 'p.example', to: home, certificate };
      const partner = where === 'in clear' ? await RawPartner.clear(gateway, options) : await secured();
      await partner.stream.write(message('bob@p.example', alice.jid));
      expect(await partner.streamError()).toBe('not-authorized');
      await gateway.logged(
        { event: 'stream-refused', reason: 'stanza-before-proof', condition: 'not-authorized' },
        before,
      );
    });

    it.each(['bob@P.EXAMPLE', 'bob@p.example.', 'bob@\uff50\uff0eexample'])(
      'comes back, and harms nobody, where its own domain is spelt %s',
      async (from) => {
        const before = gateway.log.mark();
        const partner = await proven({}, bidi);
        await partner.stream.write(message(from, alice.jid, 'odd') + message('bob@p.example', alice.jid, 'plain'));
        expect(await partner.stream.read(/<message[^>]*type="error"[\s\S]*?<\/message>/)).toContain('<jid-malformed');
        expect((await alice.messages.next()).getChildText('body')).toBe('plain');
        await gateway.logged({ event: 'stanza-refused', reason: 'address-malformed', from }, before);
        expect(gateway.lines({ event: 'home-lost' }, before)).toEqual([]);
        await partner.close();
        await gateway.logged({ event: 'stream-closed', direction: 'inbound' }, before); // the next case has its own
      },
    );

    it('has shown a local user none of it', () => {
      expect(alice.messages.unread.map(String)).toEqual([]);
    });
  });

  describe('proving itself by EXTERNAL', () => {
    const base64 = (text: string) => Buffer.from(text).toString('base64');

    it.each([
      ['=', 'an explicitly empty one'],
      ['', 'none'],
      [base64('p.example'), 'its own domain'],
      [base64('P.Example'), 'its own domain in other letters'],
    ])('may give "%s" (%s) as authorization identity', async (authzid) => {
      const partner = await secured();
      expect(await partner.features()).toContain('<mechanism>EXTERNAL</mechanism>');
      expect(await partner.auth(authzid)).toMatch(/^<success/);
    });

    it.each([
      [base64('q.example'), 'EXTERNAL', 'invalid-authzid'],
      [base64(home), 'EXTERNAL', 'invalid-authzid'],
      [base64('bob@p.example'), 'EXTERNAL', 'invalid-authzid'],
      [base64('p.example\0q.example'), 'EXTERNAL', 'invalid-authzid'],
      ['p.example', 'EXTERNAL', 'incorrect-encoding'],
      ['cC5leGFtcGxl=', 'EXTERNAL', 'incorrect-encoding'],
      ['cC5leGF tcGxl', 'EXTERNAL', 'incorrect-encoding'],
      [base64('\0bob\0secret'), 'PLAIN', 'invalid-mechanism'],
      ['=', 'external', 'invalid-mechanism'],
    ])('fails with %s by %s: %s, and may try again', async (content, mechanism, condition) => {
      const before = gateway.log.mark();
      const partner = await secured();
      await partner.features();
      expect(await partner.auth(content, mechanism)).toContain(`<${condition}/>`);
      const line = await gateway.logged({ event: 'stream-refused', sasl: condition }, before);
      expect(line).toMatchObject({ partner: 'p.example', direction: 'inbound' });
      await partner.authenticate();
      await partner.stream.write(message('bob@p.example', alice.jid, 'after all'));
      expect((await alice.messages.next()).getChildText('body')).toBe('after all');
    });

    it('is sent away after three failures', async () => {
      const before = gateway.log.mark();
      const partner = await secured();
      await partner.features();
      for (const authzid of ['q.example', home, 'r.example'])
        expect(await partner.auth(base64(authzid))).toContain('<invalid-authzid/>');
      expect(await partner.streamError()).toBe('policy-violation');
      await gateway.logged({ event: 'stream-refused', condition: 'policy-violation' }, before);
    });

    it('is not offered EXTERNAL in clear, and refused it there', async () => {
      const partner = await RawPartner.clear(gateway, { from: 'p.example', to: home });
      opened.push(partner);
      expect(await partner.auth('=')).toMatch(/<failure/);
      await partner.stream.write(message('bob@p.example', alice.jid));
      expect(await partner.streamError()).toBe('not-authorized');
    });

    it('may not be another domain afterwards', async () => {
      const before = gateway.log.mark();
      const both = await world.authority.issue({ domains: ['p.example', 'q.example'] });
      const partner = await secured({ certificate: both });
      await partner.features();
      expect(await partner.auth('=')).toMatch(/^<success/);
      await partner.open({ from: 'q.example' });
      expect(await partner.streamError()).toBe('invalid-from');
      await gateway.logged({ event: 'stream-refused', reason: 'sender-not-proven', condition: 'invalid-from' }, before);
    });

    it('may be another domain behind TLS than before it', async () => {
      const partner = await RawPartner.clear(gateway, { from: 'stranger.example', to: home });
      opened.push(partner);
      await partner.starttls({ to: home, certificate });
      await partner.open({ from: 'p.example' });
      expect(await partner.features()).toContain('EXTERNAL');
      expect(await partner.auth('=')).toMatch(/^<success/);
    });

    it.each([
      ['STARTTLS a second time', "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"],
      ['bidi after the proof', bidi],
    ])('may not ask for %s', async (_what, element) => {
      const before = gateway.log.mark();
      const partner = await proven();
      await partner.stream.write(element);
      expect(await partner.streamError()).toBe('policy-violation');
      await gateway.logged(
        { event: 'stream-refused', reason: 'stream-protocol', condition: 'policy-violation' },
        before,
      );
    });
  });

  describe('with a resumed TLS session', () => {
    const versions = ['TLSv1.2', 'TLSv1.3'] as const;

    it.each(versions)('is proven by the intermediate authority it showed before, inbound over %s', async (version) => {
      const chained = await (await world.authority.intermediate('Inbound intermediate')).issue({
        domains: ['p.example'],
      });
      const first = await proven({ certificate: chained, tls: { maxVersion: version } });
      const session = first.stream.tls?.getSession();
      await first.close();
      const second = await proven({
        certificate: chained,
        tls: { maxVersion: version, ...(session ? { session } : {}) },
      });
      expect(second.stream.tls?.isSessionReused()).toBe(true);
      expect(second.stream.tls?.getProtocol()).toBe(version);
      await second.stream.write(message('bob@p.example', alice.jid, 'resumed'));
      expect((await alice.messages.next()).getChildText('body')).toBe('resumed');
    });

    it.each(versions)('is proven by the intermediate authority it showed before, outbound over %s', async (version) => {
      const chained = await (await world.authority.intermediate('Outbound intermediate')).issue({
        domains: ['p.example'],
      });
      const served = world.own(
        await RawServer.start({
          address: world.loopback.address(),
          certificate: chained,
          tls: { maxVersion: version },
          features: external,
        }),
      );
      // Streams that the server before this one ended as they began count as failures.
      await gateway.reload();
      publishXmpp(world.dns, 'p.example', [served.target]);
      onTestFinished(() => publishXmpp(world.dns, 'p.example', []));
      for (const resumed of [false, true]) {
        const before = gateway.log.mark();
        await alice.say('bob@p.example', `resumed: ${resumed}`);
        const stream = await served.next();
        await stream.acceptExternal();
        await stream.stream.read(new RegExp(`<body>resumed: ${resumed}</body>`));
        expect(await gateway.logged({ event: 'stream-proven', direction: 'outbound' }, before)).toMatchObject({
          tls: version,
          resumed,
        });
        await stream.stream.write('</stream:stream>');
        await gateway.logged({ event: 'stream-closed', direction: 'outbound' }, before);
      }
    });
  });

  describe('whose TLS is not that of XMPP', () => {
    it.each([
      ['another protocol by ALPN', { ALPNProtocols: ['h2', 'http/1.1'] }, 'directTls', /no application protocol/],
      [
        'TLS 1.1',
        { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' },
        'directTls',
        /protocol version|unsupported protocol/,
      ],
    ] as const)('is refused in the handshake: %s', async (_what, options, port, alert) => {
      const before = gateway.log.mark();
      const socket = connect({
        host: gateway.address,
        port: gateway.ports[port],
        servername: home,
        rejectUnauthorized: false,
        ...options,
        ...('ALPNProtocols' in options ? { ALPNProtocols: [...options.ALPNProtocols] } : {}),
      });
      const [error] = (await once(socket, 'error')) as [Error];
      expect(error.message).toMatch(alert);
      await gateway.logged({ event: 'stream-refused', reason: 'tls-failed', direction: 'inbound' }, before);
    });
  });
});
