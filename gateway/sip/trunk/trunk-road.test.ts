import { describe, expect, it, onTestFinished, test, vi } from 'vitest';
import { DnsServer, type ZoneRecord } from '../../../conformance/dns-server.ts';
import { codeOf } from '../../../policies/fault.ts';
import { Resolver } from '../../dns/resolver.ts';
import { Headers } from '../message/headers.ts';
import { SipRequest, SipResponse } from '../message/message.ts';
import { FakeClock } from '../transaction/testing/fake-clock.ts';
import { FakeFlow } from '../transaction/testing/fake-flow.ts';
import type { Flow, FlowTarget } from '../transport/flow.ts';
import type { TrunkOptions } from './trunk-options.ts';
import { TrunkRoad } from './trunk-road.ts';

const partner: TrunkOptions = {
  id: 'p',
  kind: 'partner',
  domain: 'p.example',
  domains: ['*.p.example'],
  targets: [
    { host: '192.0.2.1', port: 5061 },
    { host: '192.0.2.2', port: 5061 },
  ],
  tls: true,
  localDomain: 'home.example',
};
const pbx: TrunkOptions = { ...partner, kind: 'home', tls: false, targets: [{ host: '192.0.2.9' }] };
const ZONE: readonly ZoneRecord[] = [
  { name: 'node.p.example', type: 'A', data: '192.0.2.7' },
  { name: 'pbx.p.example', type: 'A', data: '127.0.0.1' },
  { name: 'x.example', type: 'A', data: '192.0.2.8' },
];

async function setUp(options: TrunkOptions) {
  const server = await new DnsServer(ZONE).start();
  const resolver = new Resolver({ servers: [server.address], dnssec: 'off' });
  onTestFinished(async () => {
    resolver.close();
    await server.close();
  });
  const clock = new FakeClock();
  const standing = new Map<string, Flow>();
  const asked: FlowTarget[] = [];
  const road = new TrunkRoad(options, {
    resolver,
    clock,
    fraction: () => 0.5,
    flows: {
      connect: async (target) => {
        asked.push(target);
        return new FakeFlow();
      },
      standing: ({ host }) => standing.get(host),
    },
    transact: () => {
      throw new Error('nothing is sent here');
    },
    mayCarry: (flow) => flow.secure,
    answered: () => undefined,
    unanswered: () => undefined,
  });
  return { road, clock, standing, asked };
}

function request(uri: string, route?: string): SipRequest {
  const headers = new Headers([['Call-ID', 'a-call']]);
  if (route !== undefined) headers.set('Route', route);
  return new SipRequest('BYE', uri, headers);
}

describe('the next hop of a dialog whose connection is gone', () => {
  test.each<[string, TrunkOptions, SipRequest, readonly string[]]>([
    ['a name of the peer', partner, request('sip:a@node.p.example'), ['192.0.2.7:5061']],
    ['a name and a port of the peer', partner, request('sip:a@node.p.example:6061'), ['192.0.2.7:6061']],
    ['a known address, another port', partner, request('sip:a@192.0.2.2:6061'), ['192.0.2.2:6061']],
    [
      'Route before Request-URI',
      partner,
      request('sip:a@192.0.2.2:6061', '<sip:node.p.example;lr>'),
      ['192.0.2.7:5061'],
    ],
    ['no address of somebody else', partner, request('sip:a@192.0.2.8:22'), []],
    ['no name of somebody else', partner, request('sip:a@x.example'), []],
    ['no loopback', partner, request('sip:a@127.0.0.1'), []],
    ['no name that leads nowhere', partner, request('sip:a@gone.p.example'), []],
    ['no tel:', partner, request('tel:+15550100'), []],
    ['of a PBX loopback', pbx, request('sip:a@127.0.0.1:5099'), ['127.0.0.1:5099']],
    ['of a PBX a name on loopback', pbx, request('sip:a@pbx.p.example'), ['127.0.0.1:5060']],
    ['of a PBX no name elsewhere', pbx, request('sip:a@node.p.example'), []],
  ])('is %s, ahead of the targets', async (_, options, bye, hops) => {
    const { road } = await setUp(options);
    const targets = (await road.targets(bye, true)).map(({ host, port }) => `${host}:${port}`);
    const usual = options === pbx ? ['192.0.2.9:5060'] : ['192.0.2.1:5061', '192.0.2.2:5061'];
    expect(targets).toEqual([...hops, ...usual]);
  });

  it('is one of the dialog alone', async () => {
    const { road } = await setUp(partner);
    expect(await road.targets(request('sip:a@node.p.example'), false)).toHaveLength(2);
  });
});

describe('the way that stands', () => {
  const message = request('sip:bob@p.example');

  it('is the flow of the dialog, and no other while that is open', async () => {
    const { road, standing } = await setUp(partner);
    await road.targets(message, false);
    standing.set('192.0.2.1', new FakeFlow());
    const flow = new FakeFlow();
    expect(road.standing(message, flow, true)?.flow).toBe(flow);
    flow.close();
    expect(road.standing(message, flow, true)).toBeUndefined();
  });

  it('is an open flow, the best target first, avoided ones never', async () => {
    const { road, standing, clock } = await setUp(partner);
    expect(road.standing(message, undefined, false)).toBeUndefined();
    const [one, two] = await road.targets(message, false);
    if (one === undefined || two === undefined) throw new Error('no targets');
    standing.set(two.host, new FakeFlow());
    expect(road.standing(message, undefined, false)?.target).toEqual(two);
    standing.set(one.host, new FakeFlow());
    expect(road.standing(message, undefined, false)?.target).toEqual(one);
    road.avoid(one, 5_000);
    expect(road.standing(message, undefined, false)?.target).toEqual(two);
    clock.advance(5_000);
    expect(road.standing(message, undefined, false)?.target).toEqual(one);
  });

  it('is that of the call, where an earlier request of it went elsewhere', async () => {
    const { road, standing } = await setUp(partner);
    const [one, two] = await road.targets(message, false);
    if (one === undefined || two === undefined) throw new Error('no targets');
    for (const { host } of [one, two]) standing.set(host, new FakeFlow());
    road.answered({ flow: new FakeFlow(), target: two }, message, new SipResponse(200, 'OK'), 2);
    expect(road.standing(message, undefined, false)?.target).toEqual(two);
    const other = request('sip:bob@p.example');
    other.headers.set('Call-ID', 'another-call');
    expect(road.standing(other, undefined, false)?.target).toEqual(one);
  });

  it('asks for a connection by the domain of the peer, and shows the one it knows us by', async () => {
    const { road, asked } = await setUp(partner);
    await road.connect({ host: '192.0.2.1', port: 5061 }, new AbortController().signal);
    expect(asked).toEqual([{ host: '192.0.2.1', port: 5061, tls: true, name: 'p.example', localName: 'home.example' }]);
  });
});

describe('flows that the peer opened', () => {
  it('are ways to it while they are open and prove it', async () => {
    const { road, asked } = await setUp(partner);
    const [open, closed, clear] = [new FakeFlow(), new FakeFlow(), new FakeFlow({ secure: false })];
    for (const flow of [open, closed, clear]) road.adopt(flow);
    closed.close();
    expect([...road.peerFlows()]).toEqual([open]);
    expect(road.openFlow()).toBe(open);
    expect(asked).toEqual([]);
    road.forget(open);
    expect(road.openFlow()).toBeUndefined();
  });

  it('are missed where none is left: one connection is opened for the responses to come', async () => {
    const { road, asked } = await setUp(partner);
    expect([road.openFlow(), road.openFlow()]).toEqual([undefined, undefined]);
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    expect(asked[0]).toMatchObject({ host: '192.0.2.1', name: 'p.example' });
  });
});

it('says why nothing is located', async () => {
  const { road } = await setUp({ ...partner, targets: undefined });
  const error = await road.targets(request('sip:b@p.example'), false).catch((thrown: unknown) => thrown);
  expect(codeOf(error)).toBe('dns-not-found');
});
