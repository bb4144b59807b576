import { expect, it, test } from 'vitest';
import type { Flow } from '../transport/flow.ts';
import { type Advertised, OwnNames } from './own-names.ts';
import type { TrunkOptions } from './trunk-options.ts';

const partner: TrunkOptions = {
  id: 'p',
  kind: 'partner',
  domain: 'p.example',
  domains: [],
  tls: true,
  localDomain: 'home.example',
};
const pbx: TrunkOptions = { ...partner, id: 'pbx', kind: 'home', tls: false };

function flow(more: Partial<Flow>): Flow {
  const local = { host: '192.0.2.1', port: 40_000 };
  return {
    id: 1,
    secure: true,
    open: true,
    remote: { host: '192.0.2.2', port: 5061 },
    local,
    peer: { chain: [], identities: [] },
    name: '',
    opened: 'by-us',
    backlog: 0,
    send: () => undefined,
    close: () => undefined,
    ...more,
  };
}

function names(advertised?: Advertised) {
  const own = new OwnNames(advertised, (domain) => (domain === 'p.example' ? 'home.example' : undefined));
  own.listening({ host: '0.0.0.0', port: 5062, tls: true });
  own.listening({ host: '127.0.0.1', port: 5060, tls: false });
  return own;
}

test.each<[string, Partial<Flow>, Advertised | undefined, string]>([
  ['the domain that the partner sees, and where we listen', { name: 'p.example' }, undefined, 'home.example:5062'],
  ['the name that the peer asked for', { name: 'two.example', opened: 'by-peer' }, undefined, 'two.example:5062'],
  ['our address, where it asked for none', { opened: 'by-peer' }, undefined, '192.0.2.1:5062'],
  ['what is advertised', { name: 'p.example' }, { host: 'sbc.example', port: 443 }, 'sbc.example:443'],
  ['what is advertised, without a port', { name: 'p.example' }, { host: '2001:db8::1' }, '[2001:db8::1]:5062'],
  ['our address over TCP', { secure: false, local: { host: '::1', port: 4711 } }, undefined, '[::1]:5060'],
])('Via names %s', (_, facts, advertised, expected) => {
  expect(names(advertised).sentBy(flow(facts))).toBe(expected);
});

it('names nothing else on a flow, once it has named something', () => {
  const own = new OwnNames(undefined, () => 'home.example');
  const one = flow({ name: 'p.example' });
  expect(own.sentBy(one)).toBe('home.example');
  own.listening({ host: '0.0.0.0', port: 5062, tls: true });
  expect(own.sentBy(one)).toBe('home.example');
});

test.each<[string, TrunkOptions, Advertised | undefined, string]>([
  ['the domain, which partners locate', partner, undefined, 'sip:home.example;transport=tls'],
  ['what is advertised', partner, { host: '203.0.113.1', port: 5061 }, 'sip:203.0.113.1:5061;transport=tls'],
  ['where we listen, for the PBX', pbx, { host: 'sbc.example' }, 'sip:127.0.0.1:5060;transport=tcp'],
])('Contact names %s', (_, options, advertised, expected) => {
  expect(names(advertised).contact(options)).toBe(expected);
});

it('Contact names the domain to a PBX where we listen everywhere, or nowhere', () => {
  const nowhere = new OwnNames(undefined, () => undefined);
  expect(nowhere.contact(pbx)).toBe('sip:home.example;transport=tcp');
  nowhere.listening({ host: '::', port: 5070, tls: false });
  expect(nowhere.contact(pbx)).toBe('sip:home.example:5070;transport=tcp');
});
