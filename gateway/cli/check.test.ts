import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DnsServer, type Whim, type ZoneRecord } from '../../conformance/dns-server.ts';
import { createAuthority, issueCertificate } from '../../pki/issue.ts';
import { called, Sandbox, spawned } from './cli.fixture.ts';
import type { Observation } from './observation.ts';

const DAY_MS = 86_400_000;

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await Sandbox.create();
});
afterEach(() => sandbox.remove());

/** Findings as `severity area message (line) → remedy`, of one area or all. */
async function check(area?: Observation['area']): Promise<string[]> {
  const { out } = await called('check', '-c', sandbox.path('gateway.yaml'), '--json');
  const { findings, error } = JSON.parse(out) as { findings?: Observation[]; error?: unknown };
  if (findings === undefined) throw new Error(JSON.stringify(error));
  return findings
    .filter((finding) => area === undefined || finding.area === area)
    .map(({ severity, message, place, remedy }) => {
      const at = place ? ` @${place.file.slice(sandbox.dir.length + 1)}:${place.line}:${place.column}` : '';
      return `${severity}: ${message.replaceAll(`${sandbox.dir}/`, '')}${at}${remedy ? ` → ${remedy}` : ''}`;
    });
}

const found = (...texts: readonly string[]) => texts.map((text) => expect.stringContaining(text));

describe('what init wrote', () => {
  it('lacks the local server, a partner and DNS, and nothing else', async () => {
    const { code, out, err } = await spawned(['check'], sandbox.dir);
    expect([code, err]).toEqual([1, '']);
    const lines = out.trimEnd().split('\n');
    for (const line of lines.slice(0, -1)) expect(line).toMatch(/^(error|warning|ok) +\w+ {2,}\S/);
    expect(lines.filter((line) => line.startsWith('error'))).toEqual([
      expect.stringMatching(
        /^error {4}home {11}no component link: 127\.0\.0\.1:1 .*\(gateway\.yaml:\d+:5\) → start the local/,
      ),
    ]);
    expect(lines.filter((line) => line.startsWith('warning'))).toEqual(
      found('there is no partner yet', 'off line: the home domains cannot be looked up at 127.0.0.1:1'),
    );
    expect(lines.at(-1)).toBe('1 error, 2 warnings');
  });

  it('is counted in JSON too', async () => {
    const { code, out } = await called('check', '-c', sandbox.path('gateway.yaml'), '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ errors: 1, warnings: 2, findings: expect.any(Array) });
  });
});

describe('configuration', () => {
  it('with errors is all that is reported', async () => {
    await sandbox.edit('gateway.yaml', [['dnssec:', 'dnsec:']]);
    expect(await check()).toEqual(found('error: unknown key `dnsec`: did you mean `dnssec`? @gateway.yaml:'));
  });

  it('whose secret is not set says which variable', async () => {
    await sandbox.edit('gateway.yaml', [['{ file: state/home-secret }', '{ env: DRAWBRIDGE_TEST_UNSET }']]);
    expect(await check('home')).toEqual([
      expect.stringMatching(/^error: .*DRAWBRIDGE_TEST_UNSET.*not set\. @gateway\.yaml:\d+:13 → Set it: export/),
      expect.stringContaining('error: no component link'),
    ]);
  });
});

describe('policies', () => {
  it('that claim a home domain, or can prove nobody, are found', async () => {
    await sandbox.write(
      'policies/fabrikam.example.yaml',
      'partner: fabrikam.example\ndomains: [fabrikam.example, "*.contoso.example"]\ntrust: { accept: { all: [dane, dialback] } }\n',
    );
    await sandbox.write('policies/sip.example.yaml', 'partner: sip.example\nspeaks: sip\n');
    expect(await check('policies')).toEqual(
      found(
        'warning: this build cannot find the proof dane, so fabrikam.example is never proven @policies/fabrikam.example.yaml:3',
        'error: fabrikam.example claims conference.contoso.example, which is a home domain @policies/fabrikam.example.yaml:2:29',
        'ok: partners: fabrikam.example, sip.example',
      ),
    );
  });
});

it('a policies folder that is not there is told where it is named', async () => {
  await sandbox.edit('gateway.yaml', [['policies: ./policies', 'policies: ./polciies']]);
  expect(await check('policies')).toEqual([
    expect.stringMatching(/^error: the policies folder cannot be used: ENOENT.*polciies.* @gateway\.yaml:\d+:11 →/),
  ]);
});

describe('certificates', () => {
  it.each([
    [
      'expired',
      { notAfter: new Date(Date.now() - DAY_MS), notBefore: new Date(Date.now() - 9 * DAY_MS) },
      'error: ',
      'expired on',
    ],
    ['about to expire', { notAfter: new Date(Date.now() + 10.5 * DAY_MS) }, 'warning: ', 'expires in 10 days'],
  ])('%s', async (_what, validity, severity, message) => {
    const authority = await createAuthority({ name: 'other' });
    const domains = ['contoso.example', 'conference.contoso.example'];
    const { certificatePem, keyPem } = await issueCertificate(authority, { domains, ...validity });
    await writeFile(sandbox.path('pki/contoso.example.pem'), certificatePem);
    await writeFile(sandbox.path('pki/contoso.example.key'), keyPem);
    await writeFile(sandbox.path('pki/ca.pem'), authority.certificatePem);
    const [first] = await check('certificates');
    expect(first).toMatch(new RegExp(`^${severity}.*${message}`));
    expect(first).toContain('enew');
  });

  it('of another key, open to others, without authority or for other domains', async () => {
    await sandbox.edit('gateway.yaml', [
      ['contoso.example, conference', 'contoso.example, other'],
      [', pki/ca.pem]', ']'],
    ]);
    await chmod(sandbox.path('pki/contoso.example.key'), 0o640);
    expect(await check('certificates')).toEqual(
      found(
        'ok: pki/contoso.example.pem names contoso.example, conference.contoso.example, until ',
        'warning: pki/contoso.example.pem would not convince us',
        'warning: the private key pki/contoso.example.key is open to other users (mode 640)',
        'error: no usable certificate names other.contoso.example @gateway.yaml:',
      ),
    );
    await sandbox.edit('gateway.yaml', [['key: pki/contoso.example.key', 'key: pki/ca.key']]);
    expect(await check('certificates')).toEqual(
      found('error: The key does not belong to the certificate in pki/contoso.example.pem. @pki/ca.key:1:1'),
    );
  });

  it('that are missing are told where they are named, without what follows from it', async () => {
    await sandbox.edit('gateway.yaml', [
      ['pki/contoso.example.pem', 'pki/gone.pem'],
      ['pki/ca.pem]', 'pki/gone-too.pem]'],
    ]);
    expect(await check('certificates')).toEqual([
      expect.stringMatching(/^error: pki\/gone\.pem cannot be read: ENOENT.* @gateway\.yaml:\d+:7 → Check the path/),
    ]);
    expect(await check('trust')).toEqual([
      expect.stringContaining('ok: '),
      expect.stringMatching(/^error: pki\/gone-too\.pem cannot be read: ENOENT.* @gateway\.yaml:\d+:19 → Check/),
    ]);
  });

  it('of authorities that cannot be read', async () => {
    await sandbox.write('pki/ca.pem', 'nothing');
    expect(await check('trust')).toEqual(
      found("ok: the system's store: ", 'error: The file holds no certificate. @pki/ca.pem:1'),
    );
  });
});

describe('the state folder', () => {
  it('open to others, no folder, or to be made', async () => {
    await chmod(sandbox.path('state'), 0o755);
    expect(await check('state')).toEqual(found('warning: state is open to other users (mode 755) @gateway.yaml:'));
    await sandbox.edit('gateway.yaml', [['state: ./state', 'state: ./gateway.yaml']]);
    expect(await check('state')).toEqual(found('error: gateway.yaml is no folder'));
    await sandbox.edit('gateway.yaml', [['state: ./gateway.yaml', 'state: ./a/b/c']]);
    expect(await check('state')).toEqual(found('ok: a/b/c will be created'));
  });
});

describe('the log file', () => {
  it.each([
    ['gateway.yaml', 'ok: gateway.yaml is there'],
    ['logs/drawbridge.log', 'ok: logs/drawbridge.log will be created'],
    ['policies', 'error: policies is a folder @gateway.yaml:'],
    ['gateway.yaml/log', 'error: gateway.yaml/log cannot be created @gateway.yaml:'],
  ])('%s', async (file, expected) => {
    await sandbox.edit('gateway.yaml', [['level: info', `level: info, file: ${file}`]]);
    expect(await check('log')).toEqual(found(expected));
  });

  it('is not looked for where there is none', async () => {
    expect(await check('log')).toEqual([]);
  });
});

describe('listeners', () => {
  it('in use, listed twice, on an address of somebody else, or open to the world', async () => {
    await using taken = await listening(createServer());
    const port = portOf(taken);
    await using free = await listening(createServer());
    const other = portOf(free);
    await free[Symbol.asyncDispose]();
    await sandbox.edit('gateway.yaml', [
      ['listen: ["127.0.0.1:0"]', `listen: ["127.0.0.1:${port}", "127.0.0.1:${other}", "127.0.0.1:${other}"]`],
      ['directTls: ["127.0.0.1:0"]', 'directTls: ["192.0.2.1:0"]'],
      ['admin: { listen: "127.0.0.1:0" }', 'admin: { listen: "0.0.0.0:0" }'],
    ]);
    expect(await check('listeners')).toEqual(
      found(
        'warning: 0.0.0.0:0 shows metrics to whoever can reach it',
        `warning: 127.0.0.1:${port}, for streams with STARTTLS, is in use @gateway.yaml:`,
        `ok: 127.0.0.1:${other} is free`,
        `error: 127.0.0.1:${other} overlaps with 127.0.0.1:${other}`,
        'error: 192.0.2.1:0 cannot be listened on: EADDRNOTAVAIL',
        'ok: 0.0.0.0:0 is free for metrics',
      ),
    );
  });
});

describe('DNS', () => {
  const srv = (service: string, target: string, port: number): ZoneRecord => ({
    name: `${service}._tcp.contoso.example`,
    type: 'SRV',
    data: { priority: 0, weight: 5, port, target },
  });
  const a = (name: string): ZoneRecord => ({ name, type: 'A', data: '192.0.2.1' });

  it.each<[string, ZoneRecord[], string[]]>([
    [
      'a server that a record names',
      [srv('_xmpp-server', 'gw.contoso.example', 5269), a('gw.contoso.example')],
      ['ok: _xmpp-server._tcp.contoso.example leads to gw.contoso.example:5269 (192.0.2.1)'],
    ],
    [
      'a port that nobody listens on',
      [srv('_xmpps-server', 'gw.contoso.example', 443), a('gw.contoso.example')],
      [
        'ok: _xmpps-server._tcp',
        'warning: _xmpps-server._tcp.contoso.example names port 443, and no directTls address has it',
      ],
    ],
    [
      'a target without address',
      [srv('_xmpp-server', 'gone.contoso.example', 5269)],
      [
        'error: contoso.example has a record _xmpp-server._tcp.contoso.example that names gone.contoso.example, which has no address',
      ],
    ],
    [
      'a service declared absent',
      [srv('_xmpp-server', '.', 0)],
      ['error: contoso.example declares in DNS that it has no XMPP server'],
    ],
    [
      'no record',
      [a('contoso.example')],
      ['warning: contoso.example has no SRV record: partners try 192.0.2.1, port 5269'],
    ],
    ['nothing', [], ['warning: DNS knows neither a server nor an address of contoso.example']],
  ])('%s', async (_what, records, expected) => {
    const server = await new DnsServer(records).start();
    await sandbox.edit('gateway.yaml', [
      [/domains: .*/, 'domains: [contoso.example]'],
      ['servers: ["127.0.0.1:1"]', `servers: ["${server.address}"]`],
      ['listen: ["127.0.0.1:0"]', 'listen: ["127.0.0.1:5269"]'],
    ]);
    const said = await check('dns');
    await server.close();
    expect(said).toEqual(found(...expected));
  });

  it.each<[string, Whim, string[]]>([
    [
      'the IPv6 address of a target',
      ({ type }) => (type === 'AAAA' ? 'refused' : undefined),
      [
        'ok: _xmpp-server._tcp.contoso.example leads to gw.contoso.example:5269 (192.0.2.1)',
        'warning: the lookup of gw.contoso.example AAAA failed: ',
      ],
    ],
    [
      'all addresses of a target',
      ({ name }) => (name === 'gw.contoso.example' ? 'servfail' : undefined),
      [
        'warning: the lookup of gw.contoso.example A failed: ',
        'warning: the lookup of gw.contoso.example AAAA failed: ',
      ],
    ],
    [
      'one of the services',
      ({ name }) => (name.startsWith('_xmpps-server') ? 'drop' : undefined),
      [
        'ok: _xmpp-server._tcp.contoso.example leads to gw.contoso.example:5269 (192.0.2.1)',
        'warning: the lookup of _xmpps-server._tcp.contoso.example SRV failed: ',
      ],
    ],
    [
      'everything, by a server that is there',
      () => 'refused',
      [
        'warning: the lookup of _xmpp-server._tcp.contoso.example SRV failed: ',
        'warning: the lookup of _xmpps-server._tcp.contoso.example SRV failed: ',
      ],
    ],
    ['everything, by silence', () => 'drop', ['warning: off line: the home domains cannot be looked up at ']],
  ])('a lookup that fails hides no other: %s', async (_what, whim, expected) => {
    const server = new DnsServer([srv('_xmpp-server', 'gw.contoso.example', 5269), a('gw.contoso.example')]);
    server.whim = whim;
    await server.start();
    await sandbox.edit('gateway.yaml', [
      [/domains: .*/, 'domains: [contoso.example]'],
      ['servers: ["127.0.0.1:1"]', `servers: ["${server.address}"]\n  timeout: 1s`],
      ['listen: ["127.0.0.1:0"]', 'listen: ["127.0.0.1:5269"]'],
    ]);
    const said = await check('dns');
    await server.close();
    expect(said).toEqual(found(...expected));
  });
});

describe('the embedded home', () => {
  it('is named, and its listeners are tried', async () => {
    await using other = await listening(createServer());
    const component = /xmpp:\n +link: component.*(?:\n {4}.*)*/;
    const embedded = `xmpp: { link: embedded, listen: ["127.0.0.1:${portOf(other)}"], webSocket: ["127.0.0.1:0"] }`;
    await sandbox.edit('gateway.yaml', [[component, embedded]]);
    expect(await check('home')).toEqual(['ok: the gateway serves the local users itself (embedded)']);
    const listeners = (await check('listeners')).filter((line) => line.includes('clients'));
    expect(listeners).toEqual(
      found(
        `warning: 127.0.0.1:${portOf(other)}, for clients, is in use @gateway.yaml:`,
        'free for clients over WebSocket',
      ),
    );
    await sandbox.edit('gateway.yaml', [[embedded, 'xmpp: { link: embedded, listen: [] }']]);
    expect(await check('home')).toEqual(found('warning: the embedded home listens nowhere'));
  });
});

describe('the home link', () => {
  const partner = (domain: string) => sandbox.write(`policies/${domain}.yaml`, `partner: ${domain}\n`);

  it('is tried for each partner domain, and what the local server objects to is told', async () => {
    const secret = 'correct';
    await using server = await listening(componentServer(secret));
    await sandbox.edit('gateway.yaml', [['port: 1', `port: ${portOf(server)}`]]);
    await sandbox.write('state/home-secret', `${secret}\n`);
    expect(await check('home')).toEqual(found('accepts; handshakes are tried once there is a partner'));
    for (const domain of ['good.example', 'held.example', 'unknown.example']) await partner(domain);
    expect(await check('home')).toEqual(
      found(
        'ok: the local server takes good.example as a component',
        'warning: another component link for held.example stands already',
        'error: the local server has no component unknown.example @gateway.yaml:',
      ),
    );
    await sandbox.write('state/home-secret', 'another\n');
    expect((await check('home'))[0]).toContain(
      'error: the local server has another secret for the component good.example',
    );
  });

  it('is left alone where the gateway seems to run', async () => {
    await using server = await listening(componentServer('correct'));
    await using edge = await listening(createServer());
    await sandbox.edit('gateway.yaml', [
      ['port: 1', `port: ${portOf(server)}`],
      ['listen: ["127.0.0.1:0"]', `listen: ["127.0.0.1:${portOf(edge)}"]`],
    ]);
    await partner('good.example');
    expect(await check('home')).toEqual(found('ok: ', 'no handshake was tried').slice(1));
  });
});

async function listening(server: Server): Promise<Server> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** The accepting side of XEP-0114, with the answers of Prosody; the domain's first label says which. */
function componentServer(secret: string): Server {
  const errorOf: Readonly<Record<string, string>> = { unknown: 'host-unknown', held: 'conflict' };
  return createServer((socket: Socket) => {
    let text = '';
    let said = '';
    const end = (condition: string) => {
      const error = `<${condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>`;
      socket.end(`<stream:error>${error}</stream:error></stream:stream>`);
    };
    socket
      .on('error', () => undefined)
      .on('data', (chunk) => {
        text += chunk.toString();
        const [, label = ''] = /to='(\w+)\.example'/.exec(text) ?? [];
        if (label !== '' && said === '') {
          said = 'header';
          socket.write(
            `<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' ` +
              `xmlns:stream='http://etherx.jabber.org/streams' id='x1' from='${label}.example'>`,
          );
          if (label === 'unknown') end('host-unknown');
        }
        const [, proof = ''] = /<handshake>(\w+)<\/handshake>/.exec(text) ?? [];
        if (proof !== '' && said === 'header') {
          said = 'handshake';
          const good = proof === createHash('sha1').update(`x1${secret}`).digest('hex');
          if (!good) end('not-authorized');
          else if (errorOf[label] !== undefined) end(errorOf[label]);
          else socket.write('<handshake/>');
        }
        if (text.includes('</stream:stream>')) socket.end('</stream:stream>');
      });
  });
}
