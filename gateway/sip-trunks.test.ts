import { expect, it } from 'vitest';
import { policyOf } from '../policies/policy.fixture.ts';
import { PolicySet } from '../policies/set.ts';
import { type Config, parseConfig } from './config/config.ts';
import { sipTrunks } from './sip-trunks.ts';

const listeners = 'listen: ["127.0.0.1:0"], tcp: ["127.0.0.1:0"], keepAlive: 20s';

function configOf(home = '', sip = listeners): Config {
  const text = `home: { domains: [h.example, rooms.h.example], xmpp: { link: embedded }${home} }
edges: { xmpp: {}, sip: { ${sip} } }
tls: { certificates: [{ cert: /c.pem, key: /c.key }] }
`;
  const { config, findings } = parseConfig(text, '/etc/drawbridge/gateway.yaml');
  if (config === undefined) throw new Error(JSON.stringify(findings));
  return config;
}

const setOf = (...policies: string[]) => new PolicySet(policies.map((policy) => policyOf(policy)));

it('each partner that may speak SIP has a trunk', () => {
  const trunks = sipTrunks(
    configOf(),
    setOf(
      'partner: p.example\ndomains: [p.example, "*.p.example"]\nspeaks: sip',
      'partner: q.example',
      'partner: r.example\nspeaks: xmpp',
    ),
  );
  expect(trunks).toEqual([
    {
      id: 'p.example',
      kind: 'partner',
      domain: 'p.example',
      domains: ['p.example', '*.p.example'],
      targets: undefined,
      tls: true,
      addresses: undefined,
      localDomain: 'h.example',
      credentials: undefined,
      allowWildcardCertificate: false,
      options: { pingMs: 20_000 },
    },
    // It may as well be an XMPP domain: nobody pings it before it is known to speak SIP.
    expect.objectContaining({ id: 'q.example', options: { pingMs: 0 } }),
  ]);
});

it('over drachtio who is told by its address has a trunk where it names one, or must speak SIP', () => {
  const policies = setOf(
    'partner: p.example\nspeaks: sip',
    'partner: q.example',
    'partner: r.example\ntrunk: { addresses: ["192.0.2.7"] }',
  );
  const over = (more: string): string[] =>
    sipTrunks(configOf('', `drachtio: { secret: { env: D }, ${more} }`), policies).map(({ id }) => id);
  expect(over('peersProvenBy: administrator')).toEqual(['p.example', 'r.example']);
  expect(over('peersProvenBy: edge, proxy: "sip:127.0.0.1:5070"')).toEqual(['p.example', 'q.example', 'r.example']);
});

it('a trunk is as its partner says', async () => {
  process.env.TEST_TRUNK_PASSWORD = 'hunter2';
  const [trunk] = sipTrunks(
    configOf(),
    setOf(`partner: p.example
trunk:
  hosts: ["192.0.2.7:5071", sbc.p.example]
  addresses: [192.0.2.0/24]
  as: rooms.h.example
  allowWildcardCertificate: true
  ping: 1min
  credentials: { username: us, password: { env: TEST_TRUNK_PASSWORD } }
`),
  );
  expect(trunk).toMatchObject({
    targets: [{ host: '192.0.2.7', port: 5071 }, { host: 'sbc.p.example' }],
    addresses: ['192.0.2.0/24'],
    localDomain: 'rooms.h.example',
    allowWildcardCertificate: true,
    options: { pingMs: 60_000 },
  });
  expect(trunk?.credentials?.username).toBe('us');
  expect(await trunk?.credentials?.password()).toBe('hunter2');
  expect(JSON.stringify(trunk)).not.toContain('hunter2');
});

it.each([
  [
    'over TLS',
    ', sip: { host: pbx.h.example }',
    { tls: true, targets: [{ host: 'pbx.h.example', port: 5061 }], addresses: undefined, domain: 'h.example' },
  ],
  [
    'in clear, known by its address',
    ', sip: { host: 127.0.0.9, tls: false }',
    { tls: false, targets: [{ host: '127.0.0.9', port: 5060 }], addresses: ['127.0.0.9'] },
  ],
  [
    'by more than one address',
    ', sip: { host: pbx, tls: false, port: 5080, domain: pbx.h.example, addresses: [10.0.0.0/8] }',
    { targets: [{ host: 'pbx', port: 5080 }], addresses: ['10.0.0.0/8'], domain: 'pbx.h.example' },
  ],
])('the home PBX has one too, %s', (_what, home, expected) => {
  const [trunk] = sipTrunks(configOf(home), setOf());
  expect(trunk).toMatchObject({
    kind: 'home',
    domains: ['h.example', 'rooms.h.example'],
    localDomain: 'h.example',
    ...expected,
  });
});
