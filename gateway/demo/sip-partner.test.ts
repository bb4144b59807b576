import { afterAll, beforeAll, expect, it } from 'vitest';
import { Ports } from './loopback.ts';
import { SipPartner } from './sip-partner.ts';
import { ZoneServer } from './zone-server.ts';

const late = AbortSignal.timeout(15_000);
const host = 'sbc.south.example';
let dns: ZoneServer;
let north: SipPartner;
let south: SipPartner;

beforeAll(async () => {
  const ports = new Ports();
  const found = async (domain: string, user: string): Promise<SipPartner> => {
    const address = '127.0.0.1';
    return SipPartner.found({ domain, user }, { address, port: await ports.take(address, 'sips') });
  };
  north = await found('north.example', 'dora');
  south = await found('south.example', 'emil');
  dns = new ZoneServer({
    zone: 'example',
    address: '127.0.0.1',
    records: [
      {
        name: `_sips._tcp.${south.domain}`,
        type: 'SRV',
        data: { priority: 0, weight: 0, port: south.port, target: host },
      },
      { name: host, type: 'A', data: south.address },
    ],
  });
  await dns.start();
  const nameServer = `127.0.0.1:${dns.port}`;
  await north.start({ nameServer, partner: south });
  await south.start({ nameServer, partner: north });
});
afterAll(async () => {
  await Promise.all([north.close(), south.close()]);
  await dns.close();
});

it('finds its partner in DNS, proves itself, and brings a MESSAGE', async () => {
  const before = south.received.mark();
  expect(await north.write(south.uri, 'Grüße')).toMatchObject({ status: 200, origin: 'peer' });
  const [message] = south.received.since(before);
  expect(message).toMatchObject({ method: 'MESSAGE', target: 'sip:emil@south.example', from: { uri: north.uri } });
  expect(message?.body?.content.toString()).toBe('Grüße');
});

it('sends as whomever it says, which a peer that minds refuses', async () => {
  const before = south.received.mark();
  expect(await north.write(south.uri, 'money', 'sip:ceo@south.example')).toMatchObject({ status: 403, origin: 'peer' });
  expect(south.received.since(before)).toEqual([]);
});

it('answers what is written to its user once it is told to', async () => {
  const before = north.received.mark();
  await north.write(south.uri, 'before');
  south.startAnswering();
  await north.write(south.uri, 'hello');
  const answer = await north.received.find('an answer', () => true, before, late);
  expect([answer.from.uri, answer.body?.content.toString()]).toEqual([south.uri, 'You wrote: hello']);
});

it('is busy for whoever calls it', async () => {
  const result = await north.call(south.uri, 'v=0\r\n', late).result;
  expect(result).toMatchObject({ ok: false, reply: { status: 486 } });
});

it('is closed also where it had only begun to start', async () => {
  const port = await new Ports().take('127.0.0.1', 'sips');
  const early = await SipPartner.found({ domain: 'east.example', user: 'fay' }, { address: '127.0.0.1', port });
  const started = early.start({ nameServer: '127.0.0.1:1', partner: north });
  await early.close();
  await started;
  const again = await SipPartner.found({ domain: 'east.example', user: 'fay' }, { address: '127.0.0.1', port });
  await again.start({ nameServer: '127.0.0.1:1', partner: north });
  await again.close();
});
