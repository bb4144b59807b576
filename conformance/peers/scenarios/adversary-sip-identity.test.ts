import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KeyPair, selfSigned, TestAuthority } from '../authority.ts';
import { headerValues } from '../sip-reader.ts';
import { goodDomain, homeDomain, hostileDomain, page, SipSiege } from '../sip-siege.ts';

const hour = 3_600_000;
const uris = [`sip:${goodDomain}`];
const domains = [goodDomain];

// RFC 5922, RFC 3325: who says to be whom on a trunk.
describe('Whoever says to be somebody else on a SIP trunk', () => {
  let siege: SipSiege;
  let otherAuthority: TestAuthority;

  beforeAll(async () => {
    siege = await SipSiege.start();
    otherAuthority = await TestAuthority.create('An authority that nobody knows');
  });
  afterAll(() => siege?.close());

  const impostors: readonly { what: string; reason: string; issue: () => Promise<KeyPair | undefined> }[] = [
    { what: 'without a certificate', reason: 'certificate-missing', issue: async () => undefined },
    {
      what: 'with a certificate of its own making',
      reason: 'certificate-self-signed',
      issue: () => selfSigned(goodDomain),
    },
    {
      what: 'with the right name of an unknown authority',
      reason: 'certificate-untrusted',
      issue: () => otherAuthority.issue({ domains, uris }),
    },
    {
      what: 'with an expired certificate',
      reason: 'certificate-expired',
      issue: () =>
        siege.world.authority.issue({
          domains,
          uris,
          notBefore: new Date(Date.now() - 3 * hour),
          notAfter: new Date(Date.now() - hour),
        }),
    },
    {
      what: 'with a certificate that begins tomorrow',
      reason: 'certificate-not-yet-valid',
      issue: () => siege.world.authority.issue({ domains, uris, notBefore: new Date(Date.now() + 24 * hour) }),
    },
    {
      what: 'with a wildcard that covers the name',
      reason: 'certificate-wrong-name',
      issue: () => siege.world.authority.issue({ domains: ['*.example'], commonName: goodDomain }),
    },
    {
      what: 'with the name as common name alone',
      reason: 'certificate-wrong-name',
      issue: () => siege.world.authority.issue({ domains: ['x.example'], commonName: goodDomain }),
    },
    {
      what: 'with a URI of a user at the name',
      reason: 'certificate-wrong-name',
      issue: () => siege.world.authority.issue({ domains: [], uris: [`sip:bob@${goodDomain}`], commonName: 'bob' }),
    },
    {
      what: 'with a DNS name beside a URI of another',
      reason: 'certificate-wrong-name',
      issue: () => siege.world.authority.issue({ domains, uris: ['sip:x.example'] }),
    },
    {
      what: 'with the certificate of another partner',
      reason: 'sender-not-proven',
      issue: async () => siege.certificate,
    },
  ];

  it.each(impostors)('$what is refused', async ({ issue, reason }) => {
    const certificate = await issue();
    const wire = await (certificate === undefined ? siege.stranger() : siege.attack(certificate));
    for (const method of ['MESSAGE', 'OPTIONS', 'INVITE', 'SUBSCRIBE', 'REFER', 'PUBLISH', 'REGISTER']) {
      const after = siege.gateway.log.mark();
      const answer = await wire.exchange(page('I am bob', { method, from: `sip:bob@${goodDomain}` }));
      expect(answer.start, method).toMatch(/^SIP\/2\.0 403 /);
      const line = await siege.gateway.logged({ event: 'sip-refused', method }, after);
      expect(line.reason).toBe(reason);
      if (wire.socket.readableEnded) break;
    }
    expect(siege.alice.messages.unread).toHaveLength(0);
    expect(siege.rang).toEqual([]);
    await wire.close();
    await siege.talk();
  });

  it.each([
    { what: 'a From of ours', from: `sip:alice@${homeDomain}` },
    { what: 'a From of ours in capitals with a root dot', from: 'sip:ceo@H.EXAMPLE.' },
    { what: 'a From of the other partner', from: `sip:bob@${goodDomain}` },
    { what: 'a From of the other partner by sips:', from: `sips:bob@${goodDomain}` },
    { what: 'a From whose user part looks like one of its own', from: `sip:mallory%40${hostileDomain}@${goodDomain}` },
    { what: 'a From below its domain', from: `sip:mallory@sub.${hostileDomain}` },
    { what: 'a From that ends like its domain', from: `sip:mallory@x${hostileDomain}` },
    { what: 'a From at the address of the PBX', from: () => `sip:alice@${siege.pbx.server.address}` },
    { what: 'a From at localhost', from: 'sip:alice@127.0.0.1' },
    { what: 'a From of nobody known', from: 'sip:x@unknown.example' },
  ])('$what is refused on a proven trunk', async ({ from }) => {
    const wire = await siege.attack();
    const uri = typeof from === 'string' ? from : from();
    for (const method of ['MESSAGE', 'INVITE']) {
      const after = siege.gateway.log.mark();
      const answer = await wire.exchange(page('hello', { method, from: uri }));
      expect(answer.start).toMatch(/^SIP\/2\.0 403 /);
      const line = await siege.gateway.logged({ event: 'sip-refused', method }, after);
      expect(line.reason).toBe('sender-not-proven');
      expect(line).toMatchObject({ unmatched: 'sender' });
    }
    expect(siege.alice.messages.unread).toHaveLength(0);
    expect(siege.rang).toEqual([]);
    await wire.close();
  });

  it.each([
    ['P-Asserted-Identity', `"Bob" <sip:bob@${goodDomain}>`],
    ['P-Asserted-Identity', `<sip:mallory@${hostileDomain}>, <sip:alice@${homeDomain}>`],
    ['P-Preferred-Identity', `<sip:ceo@${homeDomain}>`],
    ['Remote-Party-ID', `<sip:ceo@${homeDomain}>;party=calling`],
    ['Diversion', `<sip:ceo@${homeDomain}>;reason=unconditional`],
    ['History-Info', `<sip:ceo@${homeDomain}>;index=1`],
    ['Referred-By', `<sip:ceo@${homeDomain}>`],
    ['Contact', `<sip:bob@${goodDomain}>`],
    ['Reply-To', `<sip:bob@${goodDomain}>`],
    ['P-Charge-Info', `<sip:ceo@${homeDomain}>`],
    ['Identity', 'eyJhbGciOiJFUzI1NiJ9.e30.x;info=<https://m.example/x>'],
  ])('%s of somebody else says nothing of the sender: %s', async (name, value) => {
    const wire = await siege.attack();
    const said = await wire.exchange(page('it is me', { headers: [[name, value]] }));
    expect(said.start).toMatch(/^SIP\/2\.0 20[02] /);
    const received = await siege.alice.messages.next();
    expect(received.attrs.from).toMatch(new RegExp(`^mallory@${hostileDomain}`));
    expect(String(received)).not.toContain('ceo');
    expect(String(received)).not.toContain('bob');

    await wire.send({
      method: 'INVITE',
      target: `sip:alice@${homeDomain}`,
      from: `sip:mallory@${hostileDomain}`,
      headers: [
        ...(name === 'Contact' ? [] : [['Contact', `<sip:mallory@${wire.local};transport=tls>`] as const]),
        [name, value],
      ],
    });
    const { wire: desk, message } = await siege.pbx.request('INVITE');
    const whole = message.headers.map((field) => field.join(': ')).join('\n');
    expect(whole).not.toMatch(/ceo|bob|eyJ/);
    expect(headerValues(message, 'from')[0]).toContain(`mallory@${hostileDomain}`);
    await desk.respond(message, 486, 'Busy');
    await siege.pbx.request('ACK');
    await wire.close();
  });

  it('an anonymous From with an identity of another domain is refused', async () => {
    const wire = await siege.attack();
    for (const asserted of [`<sip:bob@${goodDomain}>`, `<tel:+4930123>, <sip:ceo@${homeDomain}>`]) {
      const headers = [['P-Asserted-Identity', asserted]] as const;
      const answer = await wire.exchange(page('who am I', { from: 'sip:anonymous@anonymous.invalid', headers }));
      expect(answer.start).toMatch(/^SIP\/2\.0 403 /);
    }
    expect(siege.alice.messages.unread).toHaveLength(0);
    await wire.close();
  });

  it('two Froms, or a From that hides one, are malformed', async () => {
    const wire = await siege.attack();
    for (const headers of [
      [['From', `<sip:bob@${goodDomain}>;tag=2`]],
      [['f', `<sip:bob@${goodDomain}>;tag=2`]],
      [['FROM', `<sip:bob@${goodDomain}>;tag=2`]],
    ] as const) {
      const answer = await wire.exchange(page('who am I', { headers }));
      expect(answer.start).toMatch(/^SIP\/2\.0 400 /);
    }
    const hidden = await wire.exchange(page('who', { from: `sip:mallory@${hostileDomain}>, <sip:bob@${goodDomain}` }));
    expect(hidden.start).toMatch(/^SIP\/2\.0 40[03] /);
    expect(siege.alice.messages.unread).toHaveLength(0);
    await wire.close();
    await siege.talk();
    siege.unhurt();
  });

  it.each([
    { what: 'Request-URI', request: { target: `sips:alice@${homeDomain}` } },
    { what: 'Request-URI in capitals', request: { target: `SIPS:alice@${homeDomain}`, to: `sip:alice@${homeDomain}` } },
    { what: 'To', request: { to: `sips:alice@${homeDomain}` } },
  ])('sips: in the $what does not cross', async ({ request }) => {
    const wire = await siege.attack();
    const refused = await wire.exchange(page('only over TLS', request));
    expect(refused.start).toMatch(/^SIP\/2\.0 480 /);
    expect(headerValues(refused, 'warning')[0]).toMatch(/^380 /);
    const called = await wire.exchange({
      method: 'INVITE',
      target: `sip:alice@${homeDomain}`,
      from: `sip:mallory@${hostileDomain}`,
      headers: [['Contact', `<sips:mallory@${wire.local}>`]],
      ...request,
    });
    expect(called.start).toMatch(/^SIP\/2\.0 480 /);
    expect(siege.alice.messages.unread).toHaveLength(0);
    expect(siege.rang).toEqual([]);
    await wire.close();
  });
});
