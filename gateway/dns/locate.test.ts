import { describe, expect, it, onTestFinished } from 'vitest';
import { DnsServer, type ZoneRecord } from '../../conformance/dns-server.ts';
import { locateXmppServer } from './locate.ts';
import { Resolver } from './resolver.ts';

const random = () => 0.5;
const A: ZoneRecord = { name: 'x.example', type: 'A', data: '192.0.2.1' };

function srv(service: 'xmpp' | 'xmpps', target: string, port = 5269, priority = 0, weight = 0): ZoneRecord {
  return { name: `_${service}-server._tcp.x.example`, type: 'SRV', data: { priority, weight, port, target } };
}

async function setUp(records: readonly ZoneRecord[], dnssec: 'off' | 'trust-ad' = 'off') {
  const server = await new DnsServer(records).start();
  const resolver = new Resolver({ servers: [server.address], dnssec });
  onTestFinished(async () => {
    resolver.close();
    await server.close();
  });
  return { server, resolver };
}

/** `tls host:port` of each endpoint. */
async function endpointsOf(resolver: Resolver, domain = 'x.example', prefer?: 'direct' | 'starttls') {
  const { endpoints } = await locateXmppServer(resolver, domain, { random, prefer });
  return endpoints.map(({ tls, host, port }) => `${tls} ${host}:${port}`);
}

describe('locating an XMPP server', () => {
  it('merges the records of both services by priority (XEP-0368)', async () => {
    const { resolver } = await setUp([
      srv('xmpp', 'one.example', 5269, 10),
      srv('xmpps', 'two.example', 443, 20),
      srv('xmpp', 'three.example', 5269, 30),
      srv('xmpps', 'zero.example', 5270, 5),
    ]);
    expect(await locateXmppServer(resolver, 'X.example.', { random })).toEqual({
      domain: 'x.example',
      security: 'insecure',
      endpoints: [
        { host: 'zero.example', port: 5270, tls: 'direct', security: 'insecure', viaSrv: true },
        { host: 'one.example', port: 5269, tls: 'starttls', security: 'insecure', viaSrv: true },
        { host: 'two.example', port: 443, tls: 'direct', security: 'insecure', viaSrv: true },
        { host: 'three.example', port: 5269, tls: 'starttls', security: 'insecure', viaSrv: true },
      ],
    });
  });

  it('draws lots over the merged set, not one service after the other', async () => {
    const { resolver } = await setUp([srv('xmpp', 'a.example', 1, 0, 50), srv('xmpps', 'b.example', 2, 0, 50)]);
    let state = 1;
    const lots = () => {
      state = (state * 48_271) % 0x7fff_ffff;
      return state / 0x7fff_ffff;
    };
    const firsts: (string | undefined)[] = [];
    for (let i = 0; i < 200; i += 1) {
      const { endpoints } = await locateXmppServer(resolver, 'x.example', { random: lots });
      firsts.push(endpoints[0]?.tls);
    }
    expect(firsts.filter((tls) => tls === 'direct').length).toBeGreaterThan(60);
    expect(firsts.filter((tls) => tls === 'starttls').length).toBeGreaterThan(60);
  });

  it('puts the preferred kind first', async () => {
    const { resolver } = await setUp([srv('xmpp', 'a.example', 1, 1), srv('xmpps', 'b.example', 2, 2)]);
    expect(await endpointsOf(resolver, 'x.example', 'direct')).toEqual(['direct b.example:2', 'starttls a.example:1']);
    expect(await endpointsOf(resolver, 'x.example', 'starttls')).toEqual([
      'starttls a.example:1',
      'direct b.example:2',
    ]);
  });

  it('takes a target spelt as an IP address, and skips port 0', async () => {
    const { resolver } = await setUp([srv('xmpp', '127.0.11.1', 7000), srv('xmpp', 'a.example', 0)]);
    expect(await endpointsOf(resolver)).toEqual(['starttls 127.0.11.1:7000']);
  });

  it('names at most 16 endpoints', async () => {
    const { resolver } = await setUp(Array.from({ length: 40 }, (_, i) => srv('xmpp', `h${i}.example`)));
    expect(await endpointsOf(resolver)).toHaveLength(16);
  });

  it('asks for the A-labels of the domain', async () => {
    const { server, resolver } = await setUp([{ name: 'xn--mnchen-3ya.example', type: 'A', data: '192.0.2.1' }]);
    expect((await locateXmppServer(resolver, 'münchen.example', { random })).domain).toBe('xn--mnchen-3ya.example');
    expect(server.count('_xmpp-server._tcp.xn--mnchen-3ya.example', 'SRV')).toBe(1);
  });
});

describe('the fallback of RFC 6120 §3.2.2', () => {
  it('goes to port 5269 of the domain when there is no SRV record', async () => {
    const { resolver } = await setUp([A]);
    expect(await locateXmppServer(resolver, 'x.example', { random })).toEqual({
      domain: 'x.example',
      security: 'insecure',
      endpoints: [{ host: 'x.example', port: 5269, tls: 'starttls', security: 'insecure', viaSrv: false }],
    });
  });

  it('is enough with an IPv6 address', async () => {
    const { resolver } = await setUp([{ name: 'x.example', type: 'AAAA', data: '2001:db8::1' }]);
    expect(await endpointsOf(resolver)).toEqual(['starttls x.example:5269']);
  });

  it('is not taken when there is a SRV record', async () => {
    const { server, resolver } = await setUp([A, srv('xmpps', 'b.example', 2)]);
    expect(await endpointsOf(resolver)).toEqual(['direct b.example:2']);
    expect(server.count('x.example')).toBe(0);
  });

  it.each(['nowhere.example', 'not a domain', ''])('ends as dns-not-found for %j', async (domain) => {
    const { resolver } = await setUp([A]);
    await expect(endpointsOf(resolver, domain)).rejects.toMatchObject({ code: 'dns-not-found' });
  });

  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['[2001:db8::7]', '2001:db8::7'],
  ])('needs no DNS for the domain %s', async (domain, host) => {
    const { server, resolver } = await setUp([]);
    expect(await endpointsOf(resolver, domain)).toEqual([`starttls ${host}:5269`]);
    expect(server.asked).toEqual([]);
  });
});

describe('the target "."', () => {
  const refused = { name: 'Fault', code: 'dns-service-refused' };

  it.each([
    ['of _xmpp-server alone', [A, srv('xmpp', '.', 0)]],
    ['of both', [A, srv('xmpp', '.', 0), srv('xmpps', '.', 0)]],
    ['of _xmpps-server, without _xmpp-server', [A, srv('xmpps', '.', 0)]],
  ])('%s refuses the service, without fallback', async (_, records) => {
    const { resolver } = await setUp(records);
    await expect(endpointsOf(resolver)).rejects.toMatchObject(refused);
  });

  it.each([
    ['xmpp', 'xmpps', 'direct b.example:2'],
    ['xmpps', 'xmpp', 'starttls b.example:2'],
  ] as const)('of _%s-server leaves _%s-server in force', async (none, offered, endpoint) => {
    const { resolver } = await setUp([A, srv(none, '.', 0), srv(offered, 'b.example', 2)]);
    expect(await endpointsOf(resolver)).toEqual([endpoint]);
  });

  it('is not what an unusable port says', async () => {
    const { resolver } = await setUp([A, srv('xmpp', 'a.example', 0)]);
    await expect(endpointsOf(resolver)).rejects.toMatchObject({ code: 'remote-not-found' });
  });
});

describe('when a lookup fails', () => {
  const service = (name: string) => (name.startsWith('_xmpps') ? 'xmpps' : 'xmpp');

  it.each(['xmpp', 'xmpps'] as const)('of _%s-server, the records of the other are used', async (failing) => {
    const { server, resolver } = await setUp([srv('xmpp', 'a.example', 1), srv('xmpps', 'b.example', 2)]);
    server.whim = ({ name }) => (service(name) === failing ? 'servfail' : undefined);
    expect(await endpointsOf(resolver)).toEqual([failing === 'xmpp' ? 'direct b.example:2' : 'starttls a.example:1']);
  });

  it('of both, it is a fault', async () => {
    const { server, resolver } = await setUp([A]);
    server.whim = ({ type }) => (type === 'SRV' ? 'servfail' : undefined);
    await expect(endpointsOf(resolver)).rejects.toMatchObject({ code: 'dns-failed' });
  });

  it('of _xmpp-server, and there is no other, nobody knows whether to fall back', async () => {
    const { server, resolver } = await setUp([A]);
    server.whim = ({ name }) => (name.startsWith('_xmpp-') ? 'servfail' : undefined);
    await expect(endpointsOf(resolver)).rejects.toMatchObject({ code: 'dns-failed' });
  });

  it('of _xmpps-server, the fallback is still taken, but "." is not taken for the last word', async () => {
    const { server, resolver } = await setUp([A]);
    server.whim = ({ name }) => (name.startsWith('_xmpps') ? 'servfail' : undefined);
    expect(await endpointsOf(resolver)).toEqual(['starttls x.example:5269']);
    const refusing = await setUp([A, srv('xmpp', '.', 0)]);
    refusing.server.whim = server.whim;
    await expect(endpointsOf(refusing.resolver)).rejects.toMatchObject({ code: 'dns-failed' });
  });

  it('of an address, the domain is not taken for missing', async () => {
    const { server, resolver } = await setUp([]);
    server.whim = ({ type }) => (type === 'A' ? 'servfail' : undefined);
    await expect(endpointsOf(resolver)).rejects.toMatchObject({ code: 'dns-failed' });
  });

  it('by abort, that is the end', async () => {
    const { server, resolver } = await setUp([A]);
    server.whim = () => 'drop';
    const controller = new AbortController();
    const location = locateXmppServer(resolver, 'x.example', { random, signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(location).rejects.toThrow('enough');
  });
});

describe('security', () => {
  it('of an endpoint is that of the answer that named it, of the location the weakest', async () => {
    const { server, resolver } = await setUp(
      [srv('xmpp', 'a.example', 1, 1), srv('xmpps', 'b.example', 2, 2)],
      'trust-ad',
    );
    server.whim = ({ name }) => {
      server.authenticated = name.startsWith('_xmpps');
      return undefined;
    };
    const { endpoints, security } = await locateXmppServer(resolver, 'x.example', { random });
    expect(endpoints.map((endpoint) => endpoint.security)).toEqual(['insecure', 'secure']);
    expect(security).toBe('insecure');
  });

  it('of a fallback counts that there are no SRV records, and the address', async () => {
    const { server, resolver } = await setUp([A], 'trust-ad');
    server.authenticated = true;
    expect(await locateXmppServer(resolver, 'x.example', { random })).toMatchObject({
      security: 'secure',
      endpoints: [{ security: 'secure' }],
    });
    const mixed = await setUp([A], 'trust-ad');
    mixed.server.whim = ({ type }) => {
      mixed.server.authenticated = type === 'SRV';
      return undefined;
    };
    expect((await locateXmppServer(mixed.resolver, 'x.example', { random })).security).toBe('insecure');
  });
});
