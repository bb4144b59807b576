import { beforeAll, describe, expect, it, test } from 'vitest';
import { identitiesOf } from '../../../pki/identity.ts';
import { type Authority, type CertificateOptions, createAuthority, issueCertificate } from '../../../pki/issue.ts';
import { sipIdentities } from '../../../pki/sip-identity.ts';
import { dersOf } from '../../../pki/testing/chains.ts';
import { trustFromPem } from '../../../pki/trust.ts';
import { codeOf } from '../../../policies/fault.ts';
import { Headers } from '../message/headers.ts';
import { SipRequest } from '../message/message.ts';
import { DomainCertificate } from './domain-certificate.ts';
import type { TrunkOptions } from './trunk-options.ts';
import { type Arrival, TrunkTable } from './trunk-table.ts';

let authority: Authority;
const chains = new Map<string, readonly Buffer[]>();

async function certificate(name: string, options: CertificateOptions): Promise<void> {
  chains.set(name, dersOf(await issueCertificate(authority, options)));
}

beforeAll(async () => {
  authority = await createAuthority({ name: 'Authority' });
  await certificate('p', { domains: [], uris: ['sip:p.example'] });
  await certificate('p for servers', { domains: ['p.example'], purposes: ['serverAuth'] });
  await certificate('eu', { domains: ['eu.p.example'] });
  await certificate('q', { domains: ['q.example'] });
  await certificate('both', { domains: ['p.example', 'q.example'] });
  await certificate('wild', { domains: ['*.w.example'] });
  await certificate('pbx', { domains: ['pbx.example'] });
  await certificate('expired', { domains: ['p.example'], notBefore: new Date(0), notAfter: new Date(1_000_000) });
  const stranger = await createAuthority({ name: 'Stranger' });
  chains.set('stranger', dersOf(await issueCertificate(stranger, { domains: ['p.example'] })));
  await certificate('sipDomain', { domains: [], uris: ['sip:p.example'], purposes: ['sipDomain'] });
  chains.set('none', []);
});

const trunk = (id: string, options: Partial<TrunkOptions> = {}): { readonly options: TrunkOptions } => ({
  options: {
    id,
    kind: 'partner',
    domain: `${id}.example`,
    domains: [],
    tls: true,
    localDomain: 'home.example',
    ...options,
  },
});
const pbx = trunk('pbx', { kind: 'home', tls: false });

function tableOf(trunks: readonly { readonly options: TrunkOptions }[], distrusted?: string) {
  const table = new TrunkTable({
    certificate: new DomainCertificate(trustFromPem([authority.certificatePem]), Date.now),
    trust: (domain) =>
      domain === distrusted
        ? { sufficient: false, reason: 'trust-insufficient' }
        : { sufficient: true, reason: 'allowed' },
  });
  table.replace(trunks);
  return table;
}

function arrival(chainName: string, more: Partial<Arrival> = {}): Arrival {
  const chain = chains.get(chainName) ?? [];
  const identities = chain[0] === undefined ? [] : sipIdentities(identitiesOf(chain[0]));
  const remote = { host: '192.0.2.1', port: 4711 };
  return { secure: true, remote, peer: { chain, identities }, name: '', opened: 'by-peer', ...more };
}

function from(uri: string, asserted?: string): SipRequest {
  const headers = new Headers([
    ['From', `<${uri}>;tag=1`],
    ['To', '<sip:bob@home.example>'],
  ]);
  if (asserted !== undefined) headers.add('P-Asserted-Identity', `<${asserted}>`);
  return new SipRequest('MESSAGE', 'sip:bob@home.example', headers);
}

/** The trunk's id; or reason, part and nearest trunk. */
function placed(table: ReturnType<typeof tableOf>, flow: Arrival, request: SipRequest): string {
  const found = table.place(flow, request);
  if (found.ok) return found.trunk.options.id;
  const { reason, unmatched, nearest } = found.refusal;
  return `${reason} ${unmatched ?? '-'} ${nearest ?? '-'}`;
}

const ALICE = 'sip:alice@p.example';
const loopback: Partial<Arrival> = { secure: false, remote: { host: '127.0.0.1', port: 1 } };

describe('the trunk of a request', () => {
  const eu = trunk('p', { domains: ['*.p.example'] });
  test.each<[string, readonly ReturnType<typeof trunk>[], () => Arrival, SipRequest, string]>([
    ['proven by SAN URI', [trunk('p'), trunk('q')], () => arrival('p'), from(ALICE), 'p'],
    ['proven for servers only', [trunk('p')], () => arrival('p for servers'), from(ALICE), 'p'],
    ['a certificate for SIP domains alone (RFC 5924)', [trunk('p')], () => arrival('sipDomain'), from(ALICE), 'p'],
    [
      'purpose demanded',
      [trunk('p', { purpose: 'clientAuth' })],
      () => arrival('p for servers'),
      from(ALICE),
      'certificate-wrong-purpose certificate p',
    ],
    ['From in another case', [trunk('p')], () => arrival('p'), from('sips:alice@P.Example'), 'p'],
    ['From below a main domain that is proven', [eu], () => arrival('p'), from('sip:a@eu.p.example'), 'p'],
    ['From of a domain that proves itself', [eu], () => arrival('eu'), from('sip:a@eu.p.example'), 'p'],
    [
      'From of the main domain, another proven',
      [eu],
      () => arrival('eu'),
      from(ALICE),
      'certificate-wrong-name certificate p',
    ],
    ['one connection, two trunks: the first', [trunk('p'), trunk('q')], () => arrival('both'), from(ALICE), 'p'],
    [
      'one connection, two trunks: the second',
      [trunk('p'), trunk('q')],
      () => arrival('both'),
      from('sip:a@q.example'),
      'q',
    ],
    [
      'no From but an asserted identity',
      [trunk('p')],
      () => arrival('p'),
      from('sip:anonymous@anonymous.invalid', ALICE),
      'p',
    ],
    ['neither, by the certificate', [trunk('p'), trunk('q')], () => arrival('q'), from('tel:+15550100'), 'q'],
    [
      'From of a stranger on a proven trunk',
      [trunk('p'), trunk('q')],
      () => arrival('p'),
      from('sip:a@x.example'),
      'sender-not-proven sender p',
    ],
    [
      'From of another trunk on a proven one',
      [trunk('p'), trunk('q')],
      () => arrival('p'),
      from('sip:a@q.example'),
      'sender-not-proven sender p',
    ],
    [
      'From an address on a proven trunk',
      [trunk('p')],
      () => arrival('p'),
      from('sip:a@192.0.2.1'),
      'sender-not-proven sender p',
    ],
    ['no certificate', [trunk('p')], () => arrival('none'), from(ALICE), 'certificate-missing certificate p'],
    ['an expired one', [trunk('p')], () => arrival('expired'), from(ALICE), 'certificate-expired certificate p'],
    [
      'of an unknown authority',
      [trunk('p')],
      () => arrival('stranger'),
      from(ALICE),
      'certificate-untrusted certificate p',
    ],
    [
      'the certificate of another',
      [trunk('p')],
      () => arrival('q'),
      from(ALICE),
      'certificate-wrong-name certificate p',
    ],
    ['over TCP', [trunk('p')], () => arrival('none', { secure: false }), from(ALICE), 'trunk-unknown transport p'],
    ['nobody knows it', [trunk('p')], () => arrival('q'), from('sip:a@q.example'), 'trunk-unknown - -'],
    ['nothing is configured', [], () => arrival('p'), from(ALICE), 'trunk-unknown - -'],
    ['a listed address', [trunk('p', { addresses: ['192.0.2.0/24'] })], () => arrival('p'), from(ALICE), 'p'],
    [
      'another address',
      [trunk('p', { addresses: ['198.51.100.0/24', '2001:db8::/32'] })],
      () => arrival('p'),
      from(ALICE),
      'trunk-address-denied address p',
    ],
    [
      'a wildcard',
      [trunk('w', { domain: 'sip.w.example' })],
      () => arrival('wild'),
      from('sip:a@sip.w.example'),
      'certificate-wrong-name certificate w',
    ],
    [
      'a wildcard that is wanted',
      [trunk('w', { domain: 'sip.w.example', allowWildcardCertificate: true })],
      () => arrival('wild'),
      from('sip:a@sip.w.example'),
      'w',
    ],
    ['the PBX on loopback', [pbx, trunk('p')], () => arrival('none', loopback), from('sip:200@whatever'), 'pbx'],
    [
      'the PBX elsewhere',
      [pbx],
      () => arrival('none', { secure: false }),
      from(ALICE),
      'trunk-address-denied address pbx',
    ],
    [
      'the PBX where it is named',
      [trunk('pbx', { kind: 'home', tls: false, addresses: ['192.0.2.1'] })],
      () => arrival('none', { secure: false }),
      from(ALICE),
      'pbx',
    ],
    [
      'a partner beside the PBX on loopback',
      [pbx, trunk('p')],
      () => arrival('p', { ...loopback, secure: true }),
      from(ALICE),
      'p',
    ],
    [
      'a PBX with domains, and another From',
      [trunk('pbx', { kind: 'home', tls: false, domains: ['home.example'] })],
      () => arrival('none', loopback),
      from(ALICE),
      'sender-not-proven sender pbx',
    ],
    [
      'a PBX with domains that names its address',
      [trunk('pbx', { kind: 'home', tls: false, domains: ['home.example'] })],
      () => arrival('none', loopback),
      from('sip:200@127.0.0.1'),
      'pbx',
    ],
    ['a PBX over TLS', [trunk('pbx', { kind: 'home' })], () => arrival('pbx'), from(ALICE), 'pbx'],
    [
      'a PBX over TLS without a certificate',
      [trunk('pbx', { kind: 'home' })],
      () => arrival('none'),
      from(ALICE),
      'trunk-unknown certificate pbx',
    ],
    [
      'a PBX over TLS by its address',
      [trunk('pbx', { kind: 'home', addresses: ['192.0.2.1'] })],
      () => arrival('none'),
      from(ALICE),
      'pbx',
    ],
  ])('%s', (_, trunks, flow, request, expected) => {
    expect(placed(tableOf(trunks), flow(), request)).toBe(expected);
  });

  it('is the virtual one that is asked for: by the Request-URI, else by SNI, else the first', () => {
    const table = tableOf([
      trunk('one', { domain: 'p.example', localDomain: 'one.example' }),
      trunk('two', { domain: 'p.example', localDomain: 'two.example' }),
      trunk('home', { domain: 'p.example' }),
    ]);
    const asking = (uri: string, flow: Partial<Arrival> = {}) => {
      const request = from(ALICE);
      request.uri = uri;
      return placed(table, arrival('p', flow), request);
    };
    expect(asking('sip:bob@two.example', { name: 'one.example' })).toBe('two');
    expect(asking('sip:bob@elsewhere.example', { name: 'two.example' })).toBe('two');
    expect(asking('tel:+15550100', { name: 'home.example' })).toBe('home');
    expect(asking('tel:+15550100', { name: 'two.example', opened: 'by-us' })).toBe('one');
    expect(asking('sip:bob@elsewhere.example', { name: 'other.example' })).toBe('one');
  });

  it('is that of the connection for what belongs to a dialog, whoever it is from', () => {
    const table = tableOf([trunk('p'), trunk('q')]);
    const within = (uri: string) => {
      const request = from(uri);
      request.headers.set('To', '<sip:bob@home.example>;tag=2');
      return request;
    };
    expect(placed(table, arrival('p'), within('sip:a@x.example'))).toBe('p');
    expect(placed(table, arrival('both'), within('sip:a@q.example'))).toBe('q');
    expect(placed(table, arrival('stranger'), within(ALICE))).toBe('certificate-untrusted certificate p');
  });

  it('is one whose policy takes the certificate', () => {
    const table = tableOf([trunk('p'), trunk('q')], 'p.example');
    expect(placed(table, arrival('both'), from(ALICE))).toBe('trust-insufficient policy p');
    expect(placed(table, arrival('both'), from('sip:a@q.example'))).toBe('q');
  });

  it('tells the peer little and the operator all', () => {
    const found = tableOf([trunk('p')]).place(arrival('p'), from('sip:a@x.example'));
    expect(found).toEqual({
      ok: false,
      refusal: {
        status: 403,
        text: 'Sender Is Not Of This Trunk',
        reason: 'sender-not-proven',
        nearest: 'p',
        unmatched: 'sender',
        detail: 'The trunk is proven, and the sender is of "x.example", which is none of its domains.',
      },
    });
  });

  it('is no longer proven when the certificate has expired on a connection that stands', () => {
    const clock = { now: Date.now() };
    const table = new TrunkTable({
      certificate: new DomainCertificate(trustFromPem([authority.certificatePem]), () => clock.now),
      trust: () => ({ sufficient: true, reason: 'allowed' }),
    });
    table.replace([trunk('p')]);
    const flow = arrival('p');
    expect(placed(table, flow, from(ALICE))).toBe('p');
    clock.now += 400 * 86_400_000;
    expect(placed(table, flow, from(ALICE))).toBe('certificate-expired certificate p');
  });
});

describe('the trunk to a domain', () => {
  it('is found by any of its domains, the nearest pattern first, and the PBX by its name', () => {
    const table = tableOf([trunk('p', { domains: ['*.p.example'] }), trunk('eu', { domain: 'eu.p.example' }), pbx]);
    const idFor = (domain: string) => table.trunkFor(domain)?.options.id;
    expect(['p.example', 'eu.p.example', 'a.b.p.example', 'pbx.example', 'x.example'].map(idFor)).toEqual([
      'p',
      'eu',
      'p',
      'pbx',
      undefined,
    ]);
  });

  it('is refused to who does not prove to be there', () => {
    const table = tableOf([trunk('p'), pbx]);
    const judged = (chain: string, domain: string) => table.judge(arrival(chain).peer, domain)?.code;
    expect(judged('p', 'p.example')).toBeUndefined();
    expect(judged('q', 'p.example')).toBe('certificate-wrong-name');
    expect(judged('none', 'p.example')).toBe('certificate-missing');
    expect(judged('p', 'x.example')).toBe('trunk-unknown');
  });
});

describe('a table of trunks', () => {
  test.each<[string, readonly ReturnType<typeof trunk>[]]>([
    ['a partner without TLS', [trunk('p', { tls: false })]],
    ['one id twice', [trunk('p'), trunk('p')]],
    ['an address that is none', [trunk('p', { addresses: ['p.example'] })]],
  ])('refuses %s, and stays as it was', (_, trunks) => {
    const table = tableOf([trunk('q')]);
    let code = '';
    try {
      table.replace(trunks);
    } catch (error) {
      code = codeOf(error);
    }
    expect([code, table.trunkFor('q.example')?.options.id]).toEqual(['config-invalid', 'q']);
  });
});
