import { once } from 'node:events';
import { connect } from 'node:net';
import { decode, encode, type RecordType, streamEncode } from 'dns-packet';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { locateXmppServer } from '../dns/locate.ts';
import { Resolver } from '../dns/resolver.ts';
import { type ZoneRecord, ZoneServer } from './zone-server.ts';

const many = Array.from({ length: 60 }, (_, index): ZoneRecord => {
  return { name: 'many.example', type: 'A', data: `127.0.9.${index}` };
});
const server = new ZoneServer({
  zone: 'example',
  address: '127.0.0.1',
  records: [
    {
      name: '_xmpp-server._tcp.contoso.example',
      type: 'SRV',
      data: { priority: 0, weight: 0, port: 5269, target: 'gateway.contoso.example' },
    },
    { name: 'gateway.contoso.example', type: 'A', data: '127.0.9.1' },
    ...many,
  ],
});
let resolver: Resolver;

beforeAll(async () => {
  await server.start();
  resolver = new Resolver({ servers: [`127.0.0.1:${server.port}`], dnssec: 'off' });
});
afterAll(async () => {
  resolver.close();
  await server.close();
});

it('leads the gateway to a partner', async () => {
  const { endpoints } = await locateXmppServer(resolver, 'contoso.example', { random: () => 0 });
  expect(endpoints).toMatchObject([{ host: 'gateway.contoso.example', port: 5269, tls: 'starttls' }]);
  expect((await resolver.a('Gateway.Contoso.Example')).records).toContain('127.0.9.1');
});

it('answers over TCP what is too long for UDP', async () => {
  expect((await resolver.a('many.example')).records).toHaveLength(60);
});

it.each<[string, string, RecordType, number, number]>([
  ['a name that has other records', 'gateway.contoso.example', 'AAAA', 0, 1],
  ['a name below which there are some', 'contoso.example', 'A', 0, 1],
  ['a name that does not exist', 'gone.contoso.example', 'A', 3, 1],
  ['a name outside of the zone', 'contoso.test', 'A', 5, 0],
  ['a name that only ends like the zone', 'counterexample', 'A', 5, 0],
])('of %s it says so', async (_what, name, type, rcode, authorities) => {
  const answer = await ask(encode({ type: 'query', id: 7, questions: [{ name, type, class: 'IN' }] }));
  expect((answer.flags ?? 0) & 0xf).toBe(rcode);
  expect(answer).toMatchObject({ id: 7, answers: [], flag_aa: true });
  expect(answer.authorities).toHaveLength(authorities);
});

it.each([
  ['no question', encode({ type: 'query', id: 7 }), 1],
  ['an update', encode({ type: 'query', id: 7, flags: 5 << 11, questions: [{ name: 'example', type: 'SOA' }] }), 4],
])('refuses %s', async (_what, query, rcode) => {
  expect(((await ask(query)).flags ?? 0) & 0xf).toBe(rcode);
});

it('outlives what is no DNS, and closes twice', async () => {
  const other = new ZoneServer({ zone: 'example', address: '127.0.0.1', records: [] });
  await other.start();
  const socket = connect(other.port, '127.0.0.1');
  socket.end(Buffer.from([0, 3, 1, 2, 3]));
  await once(socket.resume(), 'close');
  await other.close();
  await other.close();
});

/** Over TCP, for one answer. */
async function ask(query: Buffer) {
  const socket = connect(server.port, '127.0.0.1');
  socket.write(streamEncode(decode(query)));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return decode(answer.subarray(2));
}
