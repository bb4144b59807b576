import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../policies/fault.ts';
import { findingText } from '../../policies/finding.ts';
import { FindingsFault } from '../../policies/findings-fault.ts';
import { parseConfig, requireConfig } from './config.ts';

/** gateway.yaml as the design shows it, but for `dnssec: validate`, which this build has not. */
const sample = `state: ./state
policies: ./policies
home:
  domains: [contoso.example, conference.contoso.example]
  xmpp: { link: component, host: 127.0.0.1, port: 5347, secret: { env: HOME_SECRET } }
edges:
  xmpp: { listen: ["0.0.0.0:5269"], directTls: ["0.0.0.0:5270"] }
  sip:  { listen: ["0.0.0.0:5061"] }
tls:
  certificates: [{ cert: pki/contoso.pem, key: pki/contoso.key }]
  trust: [system]
dns: { servers: ["127.0.0.1:53"], dnssec: trust-ad }
admin: { listen: "127.0.0.1:8480" }
`;
const embedded = 'home: { domains: [contoso.example], xmpp: { link: embedded } }';
const least = `home: { domains: [Contoso.Example], xmpp: { link: component, secret: { file: secrets/home } } }
edges: { xmpp: {} }
tls: { certificates: [{ cert: /c.pem, key: /c.key }] }
`;

function said(text: string): string[] {
  return parseConfig(text, '/etc/drawbridge/gateway.yaml').findings.map((finding) =>
    findingText(finding).replace('/etc/drawbridge/', ''),
  );
}

describe("the design's gateway.yaml", () => {
  const { config, findings } = parseConfig(sample, '/etc/drawbridge/gateway.yaml');

  it('is read', () => {
    expect(findings).toEqual([]);
    expect(config).toMatchObject({
      file: '/etc/drawbridge/gateway.yaml',
      state: '/etc/drawbridge/state',
      policies: '/etc/drawbridge/policies',
      home: { domains: ['contoso.example', 'conference.contoso.example'], xmpp: { link: 'component', port: 5347 } },
      edges: {
        xmpp: { listen: [{ host: '0.0.0.0', port: 5269 }], directTls: [{ host: '0.0.0.0', port: 5270 }] },
        sip: { listen: [{ host: '0.0.0.0', port: 5061 }], tcp: [], answerWithin: 5_000, limits: { headers: 64 } },
      },
      tls: {
        certificates: [{ cert: '/etc/drawbridge/pki/contoso.pem', key: '/etc/drawbridge/pki/contoso.key' }],
        trust: ['system'],
      },
      dns: { servers: ['127.0.0.1:53'], dnssec: 'trust-ad' },
      admin: { listen: { host: '127.0.0.1', port: 8480 } },
    });
  });

  it('is frozen all the way down', () => {
    const thawed = (value: unknown): unknown[] =>
      typeof value !== 'object' || value === null
        ? []
        : [...(Object.isFrozen(value) ? [] : [value]), ...Object.values(value).flatMap(thawed)];
    expect(thawed({ ...config, home: { ...config?.home, xmpp: { ...config?.home.xmpp, secret: '' } } }).length).toBe(3);
    expect(Object.isFrozen(config?.edges.xmpp.limits.queue)).toBe(true);
  });

  it('shows no secret', () => {
    const plain = parseConfig(sample.replace('{ env: HOME_SECRET }', 'hunter2'), 'gateway.yaml');
    expect(JSON.stringify(plain.config)).not.toContain('hunter2');
    expect(plain.findings.map(findingText).join()).not.toContain('hunter2');
  });
});

it('the least configuration is filled up with defaults', () => {
  const { config, findings } = parseConfig(least, '/etc/drawbridge/gateway.yaml');
  expect(findings).toEqual([]);
  expect(config?.edges.xmpp).toEqual({
    listen: [{ host: '0.0.0.0', port: 5269 }],
    directTls: [],
    limits: {
      connections: 10_000,
      perAddress: 200,
      attempts: { count: 600, periodMs: 60_000, perSecond: 10 },
      stanzaBytes: 524_288,
      unprovenBytes: 65_536,
      depth: 64,
      attributes: 64,
      authTimeout: 30_000,
      idle: 600_000,
      queue: { stanzas: 10_000, bytes: 16_777_216, wait: 120_000 },
    },
    tls: { required: true, minVersion: 'TLSv1.2' },
    dialback: {},
    bidi: true,
    keepAlive: 180_000,
    connectTimeout: 20_000,
  });
  expect(config?.home).toMatchObject({
    domains: ['contoso.example'],
    xmpp: { host: '127.0.0.1', port: 5347, wait: 30_000, window: 5_000 },
  });
  expect(config?.dns).toMatchObject({ dnssec: 'trust-ad', trusted: [], timeout: 12_000, servers: expect.any(Array) });
  expect(config?.store).toEqual({ fsync: 'commit', bytes: 2 * 1024 ** 3 });
  expect(config?.outbox).toEqual({ keep: true, messages: 10_000, bytes: 64 * 1024 ** 2, age: 3_600_000 });
  expect(config?.log).toEqual({ level: 'info' });
  expect(config?.admin).toBeUndefined();
});

it('the embedded home needs no more than its name', () => {
  const { config, findings } = parseConfig(least.replace(/^home.*$/m, embedded), '/etc/drawbridge/gateway.yaml');
  expect(findings).toEqual([]);
  expect(config?.home.xmpp).toEqual({
    link: 'embedded',
    listen: [{ host: '127.0.0.1', port: 5222 }],
    webSocket: [],
    directTls: [],
    proxiedWebSocket: [],
    tls: { required: true },
    limits: {
      connections: 10_000,
      perAddress: 1_000,
      stanzaBytes: 262_144,
      authTimeout: 30_000,
      idle: 600_000,
      resumption: 600_000,
      lockout: { failures: 10, period: 600_000 },
      resources: 20,
      roster: 5_000,
      offline: { messages: 1_000, bytes: 16_777_216, age: 30 * 86_400_000 },
    },
  });
});

describe('what is wrong is said', () => {
  it.each([
    [
      'an unknown key',
      least.replace('xmpp: {}', 'xmpp: { directTLS: [] }'),
      'gateway.yaml:2:18: error: unknown key `directTLS`: did you mean `directTls`?',
    ],
    ['an unknown section', `${least}logs: {}`, 'gateway.yaml:4:1: error: unknown key `logs`: did you mean `log`?'],
    ['a missing section', least.replace(/^home.*\n/, ''), 'gateway.yaml:1:1: error: the key `home` is missing'],
    [
      'a missing secret',
      least.replace(', secret: { file: secrets/home }', ''),
      'gateway.yaml:1:43: error: the key `secret` is missing (`secret`: The secret of the components',
    ],
    [
      'a secret of another form',
      least.replace('file:', 'path:'),
      'gateway.yaml:1:70: error: expected `{ env: NAME }`, `{ file: path }` or a text, found a map of keys',
    ],
    [
      'a secret that is a number, without showing it',
      least.replace('{ file: secrets/home }', '271828'),
      'gateway.yaml:1:70: error: expected `{ env: NAME }`, `{ file: path }` or a text, found a number',
    ],
    [
      'a port alone',
      least.replace('xmpp: {}', 'xmpp: { listen: ["5269"] }'),
      'gateway.yaml:2:27: error: `5269` is no address to listen on (write `0.0.0.0:5269`',
    ],
    [
      'a host with a port',
      least.replace('component,', 'component, host: "a:1",'),
      'gateway.yaml:1:68: error: `a:1` is no host',
    ],
    [
      'a stanza size below the standard',
      least.replace('xmpp: {}', 'xmpp: { limits: { stanzaBytes: 9999 } }'),
      'gateway.yaml:2:41: error: `9999` is short of what is allowed here (choose a size from 10000B to 64MiB)',
    ],
    [
      'an unknown unit',
      least.replace('xmpp: {}', 'xmpp: { keepAlive: 3m }'),
      'gateway.yaml:2:29: error: `m` is no unit here: did you mean `ms`?',
    ],
    [
      'a DNS server by name',
      `${least}dns: { servers: [dns.example] }`,
      'gateway.yaml:4:18: error: `dns.example` is no DNS server',
    ],
    [
      'an old TLS',
      least.replace('xmpp: {}', 'xmpp: { tls: { minVersion: TLSv1.1 } }'),
      'gateway.yaml:2:37: error: `TLSv1.1` is not one of: TLSv1.2, TLSv1.3',
    ],
    ['no certificate', least.replace(/^tls.*\n/m, ''), 'gateway.yaml:1:1: error: no certificate is named'],
    [
      'a key of the other link',
      least.replace(/^home.*$/m, embedded.replace('embedded', 'embedded, port: 5222')),
      'gateway.yaml:1:61: error: unknown key `port` (keys here: ',
    ],
    [
      'a session that is to be resumable for ever',
      least.replace(/^home.*$/m, embedded.replace('embedded', 'embedded, limits: { resumption: 30d }')),
      'gateway.yaml:1:83: error: `30d` is beyond what is allowed here (choose a duration from 1s to 24h)',
    ],
    [
      'a message that is to wait for ever',
      `${least}outbox: { age: 8d }`,
      'gateway.yaml:4:16: error: `8d` is beyond what is allowed here (choose a duration from 1s to 7d)',
    ],
    [
      'a store of no size',
      `${least}store: { bytes: 0 }`,
      'gateway.yaml:4:17: error: `0` is short of what is allowed here (choose a size from 1MiB to 1024GiB)',
    ],
    [
      'another way to sync',
      `${least}store: { fsync: never }`,
      'gateway.yaml:4:17: error: `never` is not one of: commit, checkpoint',
    ],
    [
      'an unknown link',
      least.replace('link: component', 'link: componet'),
      'gateway.yaml:1:51: error: `componet` is not one of: component, embedded (did you mean `component`?)',
    ],
    [
      'a PBX without a host',
      least
        .replace('} } }', '} }, sip: { port: 1 } }')
        .replace('xmpp: {} }', 'xmpp: {}, sip: { listen: ["[::]:5061"] } }'),
      'gateway.yaml:1:101: error: the key `host` is missing',
    ],
    [
      'a PBX and no trunks',
      least.replace('} } }', '} }, sip: { host: 127.0.0.1 } }'),
      'gateway.yaml:1:96: error: a PBX is of use only where there are SIP trunks (add `edges.sip: { listen: ["0.0.0.0:5061"] }`)',
    ],
    [
      "a drachtio server on nobody's word",
      least.replace('xmpp: {} }', 'xmpp: {}, sip: { drachtio: { secret: { env: D } } } }'),
      'gateway.yaml:2:27: error: a drachtio server shows no certificate, so nothing proves who a partner is (put it on loopback',
    ],
    [
      'a drachtio server behind an edge that nothing leads to',
      least.replace('xmpp: {} }', 'xmpp: {}, sip: { drachtio: { secret: { env: D }, peersProvenBy: edge } } }'),
      'gateway.yaml:2:59: error: nothing says how requests reach the edge that proves partners',
    ],
    [
      'a drachtio server and listeners of our own',
      least.replace(
        'xmpp: {} }',
        'xmpp: {}, sip: { listen: ["[::]:5061"], drachtio: { secret: { env: D }, peersProvenBy: administrator } } }',
      ),
      'gateway.yaml:2:50: error: the drachtio server carries the trunks, and SIP of our own listens as well',
    ],
    [
      'a next hop that is no URI',
      least.replace(
        'xmpp: {} }',
        'xmpp: {}, sip: { drachtio: { secret: { env: D }, peersProvenBy: edge, proxy: "127.0.0.1|x" } } }',
      ),
      'a next hop is written `sip:127.0.0.1:5070;transport=tcp`',
    ],
    [
      'SIP that takes longer than a transaction lives',
      least.replace('xmpp: {} }', 'xmpp: {}, sip: { listen: ["[::]:5061"], answerWithin: 31s } }'),
      'gateway.yaml:2:64: error: `31s` is beyond what is allowed here (choose a duration from 100ms to 30s)',
    ],
  ])('%s', (_what, text, expected) => {
    expect(said(text)).toEqual([expect.stringContaining(expected)]);
    expect(parseConfig(text, 'gateway.yaml').config).toBeUndefined();
  });

  it.each([
    [
      'a secret in clear',
      least.replace('{ file: secrets/home }', 'abc'),
      'gateway.yaml:1:62: warning: the secret stands in the file in clear',
    ],
    [
      'SIP that listens nowhere',
      least.replace('xmpp: {} }', 'xmpp: {}, sip: {} }'),
      'gateway.yaml:2:20: warning: no trunk can reach us: SIP listens nowhere',
    ],
    [
      'a drachtio server across the network',
      least.replace(
        'xmpp: {} }',
        'xmpp: {}, sip: { drachtio: { host: 192.0.2.5, secret: { env: D }, peersProvenBy: administrator } } }',
      ),
      'gateway.yaml:2:39: warning: the link to the drachtio server has no TLS',
    ],
    [
      'the secret of a drachtio server in clear',
      least.replace('xmpp: {} }', 'xmpp: {}, sip: { drachtio: { secret: cymru, peersProvenBy: administrator } } }'),
      'gateway.yaml:2:39: warning: the secret stands in the file in clear',
    ],
    [
      'a TCP listener for nobody',
      least.replace('xmpp: {} }', 'xmpp: {}, sip: { listen: ["[::]:5061"], tcp: ["127.0.0.1:5060"] } }'),
      'gateway.yaml:2:50: warning: there is no home PBX without TLS, so nobody is accepted here',
    ],
    [
      'a PBX across the network in clear',
      least
        .replace('} } }', '} }, sip: { host: 192.0.2.9, tls: false } }')
        .replace('xmpp: {} }', 'xmpp: {}, sip: { listen: ["[::]:5061"], tcp: ["192.0.2.1:5060"] } }'),
      'gateway.yaml:1:120: warning: the PBX is spoken to without TLS',
    ],
    [
      'streams without TLS',
      least.replace('xmpp: {}', 'xmpp: { tls: { required: false } }'),
      'gateway.yaml:2:25: warning: streams without TLS are accepted',
    ],
    [
      'clients without TLS',
      least.replace(/^home.*$/m, embedded.replace('embedded', 'embedded, tls: { required: false }')),
      'gateway.yaml:1:68: warning: clients without TLS are accepted',
    ],
  ])('%s, as a warning', (_what, text, expected) => {
    expect(said(text)).toEqual([expect.stringContaining(expected)]);
    expect(parseConfig(text, 'gateway.yaml').config).toBeDefined();
  });

  it('of any text, without throwing', () => {
    fc.assert(
      fc.property(fc.nat(sample.length), fc.nat(sample.length), fc.string(), (from, length, put) => {
        const { config, findings } = parseConfig(
          sample.slice(0, from) + put + sample.slice(from + (length % 30)),
          'g.yaml',
        );
        if (config === undefined) expect(findings.some((finding) => finding.severity === 'error')).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe('loading', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'config-'));
  });
  afterAll(async () => {
    await rm(dir, { recursive: true });
  });

  it('gives the configuration, paths relative to the file', async () => {
    await writeFile(join(dir, 'gateway.yaml'), least);
    expect((await requireConfig(join(dir, 'gateway.yaml'))).config.policies).toBe(join(dir, 'policies'));
  });

  it('rejects with everything that is wrong', async () => {
    const file = join(dir, 'bad.yaml');
    await writeFile(file, `${least}x: 1\ny: 2\n`);
    const fault = await requireConfig(file).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(FindingsFault);
    expect(fault).toMatchObject({
      code: 'config-invalid',
      place: { file, line: 4, column: 1 },
      findings: [{ path: 'x' }, { path: 'y' }],
      message: 'unknown key `x` (and 1 more)',
    });
  });

  it.each([
    ['absent', 'absent.yaml', undefined],
    ['too large', 'large.yaml', `# ${'x'.repeat(1_048_576)}`],
    ['no text', 'binary.yaml', Uint8Array.of(0xff)],
  ])('rejects a file that is %s', async (_what, name, content) => {
    if (content !== undefined) await writeFile(join(dir, name), content);
    const fault = await requireConfig(join(dir, name)).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(Fault);
    expect(fault).toMatchObject({ code: 'config-unreadable', message: expect.stringContaining(name) });
  });
});
