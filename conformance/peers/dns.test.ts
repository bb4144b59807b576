import { Resolver } from 'node:dns/promises';
import { expect, it, onTestFinished } from 'vitest';
import { DnsServer } from '../dns-server.ts';
import { publishSip } from './dns.ts';

it('publishes the SIP servers of a domain by NAPTR and SRV, in place of those before', async () => {
  const dns = await new DnsServer().start();
  onTestFinished(() => dns.close());
  const resolver = new Resolver();
  resolver.setServers([dns.address]);
  publishSip(dns, 'p.example', [{ host: 'old.p.example', port: 1, transport: 'tcp' }]);
  publishSip(dns, 'p.example', [
    { host: 'a.p.example', port: 5061 },
    { host: 'b.p.example', port: 5062, priority: 10, weight: 5 },
  ]);
  expect(await resolver.resolveNaptr('p.example')).toEqual([
    { order: 10, preference: 10, flags: 's', service: 'SIPS+D2T', regexp: '', replacement: '_sips._tcp.p.example' },
  ]);
  const servers = await resolver.resolveSrv('_sips._tcp.p.example');
  expect(servers.map(({ name, port, priority }) => [name, port, priority])).toEqual(
    expect.arrayContaining([
      ['a.p.example', 5061, 0],
      ['b.p.example', 5062, 10],
    ]),
  );
  await expect(resolver.resolveSrv('_sip._tcp.p.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
});
