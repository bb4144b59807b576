import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type Answer, type DecodedPacket, decode, encode, type Question, streamEncode } from 'dns-packet';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DnsServer, type ZoneRecord } from './dns-server.ts';

const records: ZoneRecord[] = [
  { name: 'a.example', type: 'A', data: '192.0.2.1' },
  { name: 'alias.example', type: 'CNAME', data: 'a.example' },
  ...Array.from({ length: 60 }, (_, i): ZoneRecord => ({ name: 'big.example', type: 'A', data: `192.0.2.${i}` })),
];

async function start(): Promise<DnsServer> {
  const server = await new DnsServer(records).start();
  onTestFinished(() => server.close());
  return server;
}

const OPT: Answer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

type Decoded = DecodedPacket & { rcode: string };

async function ask(server: DnsServer, question: Question, opt = false): Promise<Decoded> {
  const socket = createSocket('udp4');
  onTestFinished(() => {
    socket.close();
  });
  const additionals = opt ? [OPT] : [];
  const query = encode({ type: 'query', id: 7, flags: 0x100, questions: [question], additionals });
  socket.send(query, server.port, '127.0.0.1');
  const [message] = await once(socket, 'message');
  return decode(message) as Decoded;
}

describe('DnsServer', () => {
  it('answers with the question as it was spelt, recursion available', async () => {
    const reply = await ask(await start(), { name: 'A.eXample', type: 'A' });
    expect(reply.questions).toEqual([{ name: 'A.eXample', type: 'A', class: 'IN' }]);
    expect(reply.answers).toMatchObject([{ name: 'A.eXample', data: '192.0.2.1', ttl: 60 }]);
    expect(reply).toMatchObject({
      id: 7,
      rcode: 'NOERROR',
      flag_ra: true,
      flag_rd: true,
      flag_qr: true,
      additionals: [],
    });
  });

  it('gives the address that a name spells', async () => {
    const reply = await ask(await start(), { name: '127.0.11.1', type: 'A' });
    expect(reply.answers).toMatchObject([{ data: '127.0.11.1' }]);
  });

  it.each([
    ['a type that is missing', 'a.example', 'AAAA', 'NOERROR'],
    ['a name with names below it', 'example', 'A', 'NOERROR'],
    ['a name that is missing', 'b.example', 'A', 'NXDOMAIN'],
    ['a name spelt as an address', '127.0.11.1', 'AAAA', 'NOERROR'],
    ['the root', '.', 'DNSKEY', 'NOERROR'],
  ] as const)('answers for %s with a SOA', async (_, name, type, rcode) => {
    const reply = await ask(await start(), { name, type });
    expect(reply).toMatchObject({ rcode, answers: [], authorities: [{ type: 'SOA' }] });
  });

  it('follows aliases', async () => {
    const reply = await ask(await start(), { name: 'alias.example', type: 'A' });
    expect(reply.answers).toMatchObject([{ type: 'CNAME' }, { name: 'a.example', data: '192.0.2.1' }]);
  });

  it('truncates what the asker cannot take over UDP and sends it over TCP', async () => {
    const server = await start();
    const question: Question = { name: 'big.example', type: 'A' };
    expect(await ask(server, question)).toMatchObject({ flag_tc: true, answers: [] });
    const socket = connect(server.port, '127.0.0.1');
    onTestFinished(() => {
      socket.destroy();
    });
    socket.write(streamEncode({ type: 'query', id: 8, questions: [question] }));
    let received = Buffer.alloc(0);
    while (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) {
      const [chunk] = await once(socket, 'data');
      received = Buffer.concat([received, chunk]);
    }
    expect(decode(received.subarray(2)).answers).toHaveLength(60);
  });

  it('answers an OPT with an OPT', async () => {
    const reply = await ask(await start(), { name: 'a.example', type: 'A' }, true);
    expect(reply.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232 }]);
  });

  it('changes while it runs, and remembers what it was asked', async () => {
    const server = await start();
    server.remove('A.example', 'A');
    expect((await ask(server, { name: 'a.example', type: 'A' })).rcode).toBe('NXDOMAIN');
    server.add({ name: 'a.example', type: 'A', data: '192.0.2.2' });
    expect((await ask(server, { name: 'a.example', type: 'A' })).answers).toMatchObject([{ data: '192.0.2.2' }]);
    expect([server.count('a.example'), server.count('a.example', 'SRV')]).toEqual([2, 0]);
  });
});
