import { describe, expect, it, onTestFinished, test } from 'vitest';
import { DnsServer, type ZoneRecord } from '../../../conformance/dns-server.ts';
import { codeOf } from '../../../policies/fault.ts';
import { Resolver } from '../../dns/resolver.ts';
import { type Goal, locateSip } from './locate.ts';

const naptr = (order: number, preference: number, services: string, replacement: string): ZoneRecord => ({
  name: 'p.example',
  type: 'NAPTR',
  data: { order, preference, flags: 's', services, regexp: '', replacement },
});
const srv = (name: string, target: string, port: number, priority = 0, weight = 0): ZoneRecord => ({
  name,
  type: 'SRV',
  data: { priority, weight, port, target },
});
const a = (name: string, data: string): ZoneRecord => ({ name, type: 'A', data });
const aaaa = (name: string, data: string): ZoneRecord => ({ name, type: 'AAAA', data });

async function setUp(records: readonly ZoneRecord[]) {
  const server = await new DnsServer(records).start();
  const resolver = new Resolver({ servers: [server.address], dnssec: 'off' });
  onTestFinished(async () => {
    resolver.close();
    await server.close();
  });
  return { server, resolver };
}

async function targets(resolver: Resolver, goal: Goal, tls = true): Promise<string[]> {
  const found = await locateSip(resolver, goal, { tls, random: () => 0.5 });
  return found.map(({ host, port }) => `${host} ${port}`);
}

const HOSTS = [a('one.p.example', '192.0.2.1'), a('two.p.example', '192.0.2.2'), a('p.example', '192.0.2.9')];

describe('locating the servers of a SIP domain (RFC 3263 §4)', () => {
  test.each<[string, readonly ZoneRecord[], Goal, readonly string[]]>([
    ['a numeric target', [], { host: '192.0.2.7' }, ['192.0.2.7 5061']],
    ['a numeric target with a port', [], { host: '192.0.2.7', port: 6061 }, ['192.0.2.7 6061']],
    ['an IPv6 target', [], { host: '[2001:db8::7]', port: 6061 }, ['2001:db8::7 6061']],
    [
      'a port: addresses alone',
      [...HOSTS, srv('_sips._tcp.p.example', 'one.p.example', 5061)],
      { host: 'p.example', port: 6061 },
      ['192.0.2.9 6061'],
    ],
    [
      'NAPTR: its SRV name',
      [
        ...HOSTS,
        naptr(1, 1, 'SIPS+D2T', '_sips._tcp.elsewhere.example'),
        srv('_sips._tcp.elsewhere.example', 'two.p.example', 7061),
        srv('_sips._tcp.p.example', 'one.p.example', 5061),
      ],
      { host: 'P.Example.' },
      ['192.0.2.2 7061'],
    ],
    [
      'NAPTR: several of one order, by preference, each with its own SRV records',
      [
        ...HOSTS,
        naptr(1, 20, 'SIPS+D2T', '_b.p.example'),
        naptr(1, 10, 'SIPS+D2T', '_a.p.example'),
        srv('_a.p.example', 'one.p.example', 5061, 50),
        srv('_b.p.example', 'two.p.example', 5061, 10),
      ],
      { host: 'p.example' },
      ['192.0.2.1 5061', '192.0.2.2 5061'],
    ],
    [
      'NAPTR without TLS: never the one in clear',
      [
        ...HOSTS,
        naptr(1, 1, 'SIP+D2T', '_sip._tcp.p.example'),
        naptr(2, 1, 'SIP+D2U', '_sip._udp.p.example'),
        srv('_sip._tcp.p.example', 'one.p.example', 5060),
        srv('_sips._tcp.p.example', 'two.p.example', 5061),
      ],
      { host: 'p.example' },
      ['192.0.2.2 5061'],
    ],
    [
      'no NAPTR: SRV by priority, ports honoured',
      [
        ...HOSTS,
        srv('_sips._tcp.p.example', 'two.p.example', 5062, 20),
        srv('_sips._tcp.p.example', 'one.p.example', 5071, 10),
      ],
      { host: 'p.example' },
      ['192.0.2.1 5071', '192.0.2.2 5062'],
    ],
    [
      'no SRV but one in clear: the domain itself at 5061',
      [...HOSTS, srv('_sip._tcp.p.example', 'one.p.example', 5060)],
      { host: 'p.example' },
      ['192.0.2.9 5061'],
    ],
    [
      'families in turn, IPv6 first',
      [a('p.example', '192.0.2.1'), a('p.example', '192.0.2.2'), aaaa('p.example', '2001:db8::1')],
      { host: 'p.example' },
      ['2001:db8::1 5061', '192.0.2.1 5061', '192.0.2.2 5061'],
    ],
    [
      'a server without an address is passed over',
      [
        ...HOSTS,
        srv('_sips._tcp.p.example', 'gone.p.example', 5061, 10),
        srv('_sips._tcp.p.example', 'one.p.example', 5061, 20),
      ],
      { host: 'p.example' },
      ['192.0.2.1 5061'],
    ],
    [
      'one address named twice is tried once',
      [
        ...HOSTS,
        srv('_sips._tcp.p.example', 'one.p.example', 5061, 1),
        srv('_sips._tcp.p.example', '192.0.2.1', 5061, 2),
      ],
      { host: 'p.example' },
      ['192.0.2.1 5061'],
    ],
  ])('%s', async (_, records, goal, expected) => {
    const { resolver } = await setUp(records);
    expect(await targets(resolver, goal)).toEqual(expected);
  });

  it('goes by TCP where that is asked, and only then', async () => {
    const { resolver } = await setUp([
      ...HOSTS,
      srv('_sip._tcp.p.example', 'one.p.example', 5070),
      srv('_sips._tcp.p.example', 'two.p.example', 5061),
    ]);
    expect(await targets(resolver, { host: 'p.example' }, false)).toEqual(['192.0.2.1 5070']);
    expect(await targets(resolver, { host: '192.0.2.7' }, false)).toEqual(['192.0.2.7 5060']);
  });

  test.each<[string, readonly ZoneRecord[], string, string]>([
    ['no such domain', [], 'p.example', 'dns-not-found'],
    ['no domain name', [], 'p p', 'dns-not-found'],
    ['declared to have none', [...HOSTS, srv('_sips._tcp.p.example', '.', 0)], 'p.example', 'dns-service-refused'],
    ['port 0', [...HOSTS, srv('_sips._tcp.p.example', 'one.p.example', 0)], 'p.example', 'remote-not-found'],
    [
      'servers without addresses',
      [...HOSTS, srv('_sips._tcp.p.example', 'x.p.example', 1), srv('_sips._tcp.p.example', 'y.p.example', 1)],
      'p.example',
      'remote-not-found',
    ],
  ])('refuses: %s', async (_, records, host, code) => {
    const { resolver } = await setUp(records);
    expect(codeOf(await targets(resolver, { host }).catch((error: unknown) => error))).toBe(code);
  });

  it('goes on without NAPTR where that cannot be asked, but not without SRV', async () => {
    const { server, resolver } = await setUp([...HOSTS, srv('_sips._tcp.p.example', 'one.p.example', 5061)]);
    server.whim = ({ type }) => (type === 'NAPTR' ? 'servfail' : undefined);
    expect(await targets(resolver, { host: 'p.example' })).toEqual(['192.0.2.1 5061']);
    server.whim = ({ name, type }) => (type === 'SRV' || name === 'q.example' ? 'servfail' : undefined);
    const error = await targets(resolver, { host: 'q.example' }).catch((thrown: unknown) => thrown);
    expect(codeOf(error)).toBe('dns-failed');
  });

  it('names at most 16 targets', async () => {
    const addresses = Array.from({ length: 40 }, (_, at) => a('p.example', `192.0.2.${at + 1}`));
    const { resolver } = await setUp(addresses);
    expect(await targets(resolver, { host: 'p.example' })).toHaveLength(16);
  });

  it('asks again only when the answer has expired', async () => {
    const { server, resolver } = await setUp([...HOSTS, srv('_sips._tcp.p.example', 'one.p.example', 5061)]);
    await targets(resolver, { host: 'p.example' });
    const asked = server.asked.length;
    await targets(resolver, { host: 'p.example' });
    expect(server.asked.length).toBe(asked);
  });
});
