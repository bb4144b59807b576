import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DnsServer, type ZoneRecord } from '../../../conformance/dns-server.ts';
import { called, Sandbox } from '../cli.fixture.ts';
import type { Observation } from '../observation.ts';

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await Sandbox.create();
});
afterEach(() => sandbox.remove());

async function check(area: Observation['area']): Promise<string[]> {
  const { out } = await called('check', '-c', sandbox.path('gateway.yaml'), '--json');
  const { findings } = JSON.parse(out) as { findings: Observation[] };
  return findings
    .filter((one) => one.area === area)
    .map(({ severity, message, place, remedy }) => {
      const at = place ? ` @${place.file.slice(sandbox.dir.length + 1)}:${place.line}` : '';
      return `${severity}: ${message.replaceAll(`${sandbox.dir}/`, '')}${at}${remedy ? ` → ${remedy}` : ''}`;
    });
}

const found = (...texts: readonly string[]) => texts.map((text) => expect.stringContaining(text));
const trunks = (more = '') =>
  sandbox.edit('gateway.yaml', [['\nedges:\n', `\nedges:\n  sip: { listen: ["127.0.0.1:0"]${more} }\n`]]);
const partner = (...lines: readonly string[]) =>
  sandbox.write('policies/p.example.yaml', ['partner: p.example', ...lines, ''].join('\n'));

describe('a SIP partner', () => {
  it.each([
    ['by its policy', 'speaks: sip', 1],
    ['by its trunk', 'trunk: { hosts: [192.0.2.7] }', 2],
  ])('%s, and no trunks', async (_what, line, at) => {
    await partner(line);
    expect(await check('sip')).toEqual(
      found(
        `warning: p.example is to be reached by SIP, and there are no trunks: nothing crosses @policies/p.example.yaml:${at}`,
      ),
    );
  });

  it('with everything it needs', async () => {
    await trunks();
    await partner('speaks: sip', 'trust: { accept: [certificate] }');
    expect(await check('sip')).toEqual(['ok: partners by SIP: p.example']);
    expect(await check('listeners')).toContainEqual('ok: 127.0.0.1:0 is free for SIP trunks');
  });

  it('that can never be, or who is no such, is told', async () => {
    await trunks();
    await partner(
      'speaks: sip',
      'trust: { accept: [dialback] }',
      'trunk: { as: q.example, credentials: { username: u, password: { env: TEST_UNSET } } }',
    );
    await sandbox.write('policies/x.example.yaml', 'partner: x.example\nspeaks: xmpp\ntrunk: { hosts: [192.0.2.7] }\n');
    expect(await check('sip')).toEqual(
      found(
        'warning: x.example has a trunk, and its policy says that it speaks XMPP @policies/x.example.yaml:3 → write `speaks: sip`',
        'warning: a SIP trunk is proven by its certificate alone, so p.example is never proven @policies/p.example.yaml:3',
        'error: `as: q.example` is none of the home domains @policies/p.example.yaml:4 → home domains: contoso.example',
        'error: The environment variable TEST_UNSET, which holds a secret, is not set. @policies/p.example.yaml:4',
        'error: no certificate names q.example as SIP reads it (RFC 5922): by a DNS name or a URI @gateway.yaml:',
        'ok: partners by SIP: p.example',
      ),
    );
  });
});

it.each([
  ['leads to us', { port: 5061 }, ['ok: _sips._tcp.contoso.example leads to gateway.contoso.example:5061']],
  [
    'leads elsewhere',
    { port: 5062 },
    ['warning: _sips._tcp.contoso.example names port 5062, and no `listen` address has it @gateway.yaml:'],
  ],
  [
    'leads nowhere',
    undefined,
    ['warning: _sips._tcp.contoso.example leads nowhere: partners that look us up find no trunk @gateway.yaml:'],
  ],
])('our record in DNS %s', async (_what, record, expected) => {
  const data = { priority: 0, weight: 5, target: 'gateway.contoso.example', port: 0, ...record };
  const records: ZoneRecord[] =
    record === undefined ? [] : [{ name: '_sips._tcp.contoso.example', type: 'SRV', ttl: 60, data }];
  const server = await new DnsServer(records).start();
  try {
    await sandbox.edit('gateway.yaml', [
      ['\nedges:\n', '\nedges:\n  sip: { listen: ["127.0.0.1:5061"] }\n'],
      ['servers: ["127.0.0.1:1"]', `servers: ["${server.address}"]`],
    ]);
    expect(await check('sip')).toEqual(found(...expected, 'ok: partners by SIP: none yet'));
  } finally {
    await server.close();
  }
});
