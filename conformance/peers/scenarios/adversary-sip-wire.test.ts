import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerValue } from '../sip-reader.ts';
import { goodDomain, homeDomain, hostileDomain, page, SipSiege } from '../sip-siege.ts';
import { type SipWire, sipBytes, token } from '../sip-wire.ts';

const start = `MESSAGE sip:alice@${homeDomain} SIP/2.0`;
const fields = (wire: SipWire): (readonly [string, string])[] => [
  ['Via', `SIP/2.0/TLS ${wire.local};branch=z9hG4bK${token()}`],
  ['Max-Forwards', '70'],
  ['From', `<sip:mallory@${hostileDomain}>;tag=${token()}`],
  ['To', `<sip:alice@${homeDomain}>`],
  ['Call-ID', token()],
  ['CSeq', '1 MESSAGE'],
  ['Content-Type', 'text/plain'],
];
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const times = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

// RFC 3261 §18.3, RFC 4475, RFC 5626 §3.5.1: what a peer may do to a stream.
describe('A SIP peer that misuses its connection', () => {
  let siege: SipSiege;

  beforeAll(async () => {
    siege = await SipSiege.start({ edge: 'limits: { firstMessage: 2s }' });
  });
  afterAll(() => siege?.close());

  it.each([
    { what: 'says nothing', play: async () => {} },
    {
      what: 'writes a header at a time',
      play: async (wire: SipWire, over: () => boolean) => {
        await wire.write(`${start}\r\n`);
        for (let n = 0; !over(); n++) {
          await wire.write(`X-${n}: y\r\n`);
          await pause(200);
        }
      },
    },
    {
      what: 'writes a byte at a time',
      play: async (wire: SipWire, over: () => boolean) => {
        for (const byte of sipBytes({ start, headers: fields(wire), body: 'x'.repeat(1_000) })) {
          if (over()) return;
          await wire.write(Buffer.from([byte]));
          await pause(50);
        }
      },
    },
    {
      what: 'writes a body at a time',
      play: async (wire: SipWire, over: () => boolean) => {
        await wire.write(sipBytes({ start, headers: [...fields(wire), ['Content-Length', '100000']] }));
        while (!over()) {
          await wire.write('x');
          await pause(100);
        }
      },
    },
    {
      what: 'writes whole messages, and then half a one for ever',
      play: async (wire: SipWire, over: () => boolean) => {
        await wire.exchange(page('whole'));
        await siege.alice.messages.next((message) => message.getChildText('body') === 'whole');
        await wire.write(start);
        while (!over()) {
          await wire.write('x');
          await pause(100);
        }
      },
    },
  ])('that $what is cut off in time', async ({ play }) => {
    await siege.withstand(async () => {
      const wires = await Promise.all(times(20, () => siege.attack()));
      let over = 0;
      await Promise.all(
        wires.map(async (wire) => {
          const started = performance.now();
          let closed = false;
          const ended = wire.closed.then(() => {
            closed = true;
            over += 1;
          });
          await play(wire, () => closed).catch(() => {}); // written to what is closed
          await ended;
          expect(performance.now() - started).toBeLessThan(9_000);
        }),
      );
      expect(over).toBe(wires.length);
    });
  });

  it('that only begins to shake hands is cut off in time', async () => {
    await siege.withstand(async () => {
      const { address, ports } = siege.gateway;
      const after = siege.gateway.log.mark();
      await Promise.all(
        times(20, async (n) => {
          const localAddress = siege.world.loopback.address();
          const socket = connectTcp({ host: address, port: ports.sip, localAddress });
          socket.on('error', () => {});
          await once(socket, 'connect');
          // The first bytes of a ClientHello of 512 bytes, or none.
          if (n % 2 === 0) socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]));
          const started = performance.now();
          await once(socket, 'close');
          expect(performance.now() - started).toBeLessThan(8_000);
        }),
      );
      await siege.gateway.logged(
        { event: 'connection-refused', reason: 'tls-failed', refusal: 'handshake-timeout' },
        after,
      );
    });
  });

  it.each([
    { what: 'shorter than the body', headers: [['Content-Length', '2']] },
    {
      what: 'twice, and different',
      headers: [
        ['Content-Length', '5'],
        ['Content-Length', '500'],
      ],
    },
    {
      what: 'twice, once compact',
      headers: [
        ['Content-Length', '5'],
        ['l', '0'],
      ],
    },
    { what: 'negative', headers: [['Content-Length', '-1']] },
    { what: 'signed', headers: [['Content-Length', '+5']] },
    { what: 'hexadecimal', headers: [['Content-Length', '0x5']] },
    { what: 'as two values', headers: [['Content-Length', '5, 5']] },
    { what: 'fractional', headers: [['Content-Length', '5.0']] },
    { what: 'empty', headers: [['Content-Length', '']] },
    { what: 'beyond all numbers', headers: [['Content-Length', '99999999999999999999999']] },
    { what: 'of four gigabytes', headers: [['Content-Length', '4294967301']] },
    { what: 'beyond what a body may have', headers: [['Content-Length', '300000']] },
    {
      what: 'beside chunks',
      headers: [
        ['Transfer-Encoding', 'chunked'],
        ['Content-Length', ''],
      ],
    },
  ] as const)('a Content-Length that is $what smuggles nothing', async ({ headers }) => {
    const wire = await siege.attack();
    const smuggled = sipBytes({
      start,
      headers: fields(wire).map(([n, v]) => [n, n === 'From' ? `<sip:bob@${goodDomain}>;tag=1` : v]),
      body: 'smuggled',
    });
    await wire.write(sipBytes({ start, headers: [...fields(wire), ...headers], body: 'hello' }));
    await wire.write(smuggled).catch(() => {});
    await Promise.race([
      wire.closed,
      wire.messages.next(({ start: line }) => !line.includes(' 20'), { timeoutMs: 10_000 }),
    ]);
    await wire.close();
    await siege.talk();
    for (const message of siege.alice.messages.unread) expect(message.getChildText('body')).not.toBe('smuggled');
    siege.alice.messages.clear();
    siege.unhurt();
  });

  it.each([
    { what: 'a line without end', bytes: () => `${start}\r\nX: ${'x'.repeat(70_000)}` },
    { what: 'a start line without end', bytes: () => 'M'.repeat(70_000) },
    { what: 'lines without end', bytes: () => `${start}\r\n${'X: y\r\n'.repeat(20_000)}` },
    { what: 'continuation lines without end', bytes: () => `${start}\r\nX: y\r\n${' z\r\n'.repeat(30_000)}` },
    {
      what: 'a hundred Vias',
      bytes: () => `${start}\r\n${'Via: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKx\r\n'.repeat(100)}\r\n`,
    },
    {
      what: 'a Via of ten thousand values',
      bytes: () => `${start}\r\nVia: ${'SIP/2.0/TLS h,'.repeat(10_000)}\r\n\r\n`,
    },
    { what: 'NULs', bytes: () => '\0'.repeat(100_000) },
    { what: 'HTTP', bytes: () => 'GET / HTTP/1.1\r\nHost: h.example\r\n\r\n' },
    { what: 'XMPP', bytes: () => "<?xml version='1.0'?><stream:stream xmlns='jabber:server'>\r\n\r\n" },
    { what: 'bare line feeds', bytes: () => `${start}\nFrom: <sip:x@${hostileDomain}>\n\n` },
    {
      what: 'another version',
      bytes: (wire: SipWire) => sipBytes({ start: start.replace('2.0', '7.0'), headers: fields(wire) }),
    },
  ])('that writes $what is cut off or refused', async ({ bytes }) => {
    const wire = await siege.attack();
    await wire.write(bytes(wire)).catch(() => {}); // cut off while it writes
    await Promise.race([wire.closed, wire.messages.next(({ start: line }) => /^SIP\/2\.0 [45]/.test(line))]);
    await wire.close();
    await siege.talk();
    siege.unhurt();
  });

  it('heads of 64 KiB are read in no time', async () => {
    const wire = await siege.attack();
    const line = `"${'\\"'.repeat(3_900)}"`;
    for (const value of [
      line,
      `<${'<'.repeat(7_000)}`,
      ','.repeat(8_000),
      ';'.repeat(8_000),
      '('.repeat(8_000),
      '%'.repeat(8_000),
    ]) {
      for (const name of ['Contact', 'Route', 'Accept', 'P-Asserted-Identity', 'Privacy', 'Require', 'Subject']) {
        const started = performance.now();
        const headers = times(5, () => [name, value] as const);
        const { start: answer } = await wire.exchange(page('big', { headers }), { timeoutMs: 5_000 });
        expect(answer).toMatch(/^SIP\/2\.0 [24]/);
        expect(performance.now() - started, `${name} ${value.slice(0, 3)}`).toBeLessThan(1_000);
      }
    }
    await wire.close();
    siege.alice.messages.clear();
    await siege.talk();
    siege.unhurt();
  });

  it('that floods with empty lines is cut off', async () => {
    await siege.withstand(async () => {
      const wires = await Promise.all(times(10, () => siege.attack()));
      await Promise.all(
        wires.map(async (wire) => {
          await wire.write('\r\n'.repeat(100_000)).catch(() => {});
          await wire.closed;
          expect(wire.emptyLines).toBeLessThanOrEqual(64);
        }),
      );
    });
  });

  it('responses that nobody waits for are passed over', async () => {
    await siege.withstand(async () => {
      const wire = await siege.attack();
      const { address, ports } = siege.gateway;
      const stray = (status: string, method: string, via: string) =>
        sipBytes({
          start: `SIP/2.0 ${status}`,
          headers: [
            ['Via', via],
            ['From', `<sip:alice@${homeDomain}>;tag=${token()}`],
            ['To', `<sip:x@${hostileDomain}>;tag=${token()}`],
            ['Call-ID', token()],
            ['CSeq', `1 ${method}`],
            ['Contact', `<sip:x@${goodDomain}>`],
          ],
        });
      const own = `SIP/2.0/TLS ${homeDomain}:${ports.sip};branch=z9hG4bK${token()}`;
      for (const via of [own, `SIP/2.0/TLS ${address}:${ports.sip};branch=z9hG4bK1`, 'SIP/2.0/TLS x;branch=z9hG4bK1']) {
        for (const status of ['100 Trying', '200 OK', '302 There', '401 Who', '600 No']) {
          for (const method of ['INVITE', 'MESSAGE', 'OPTIONS', 'X']) {
            await wire.write(Buffer.concat(times(200, () => stray(status, method, via))));
          }
        }
      }
      expect((await wire.exchange(page('still here'))).start).toMatch(/^SIP\/2\.0 20/);
      await siege.alice.messages.next((message) => message.getChildText('body') === 'still here');
      await wire.close();
    });
  });

  it('who answers for the other partner is not believed', async () => {
    const wire = await siege.attack();
    let seen: string | undefined;
    siege.good.answerPage = (message) => {
      seen = headerValue(message, 'via');
      const headers = message.headers.filter(([name]) => /^(via|from|call-id|cseq)$/i.test(name));
      const to = ['To', `${headerValue(message, 'to')};tag=evil`] as const;
      void wire.write(sipBytes({ start: 'SIP/2.0 603 Evil', headers: [...headers, to] }));
      return [100, 'Trying'];
    };
    await siege.alice.say(`bob@${goodDomain}`, 'whose answer?', 'theirs');
    const message = await siege.good.pages.next(({ body }) => body.toString() === 'whose answer?');
    expect(seen).toBeDefined();
    expect((await wire.exchange(page('in between'))).start).toMatch(/^SIP\/2\.0 20/);
    await siege.alice.messages.next((stanza) => stanza.getChildText('body') === 'in between');
    expect(siege.alice.messages.unread.filter(({ attrs }) => attrs.type === 'error')).toEqual([]);
    siege.good.answerPage = () => [200, 'OK'];
    await siege.good.answer(message, 200, 'OK');
    await wire.close();
    await siege.settled();
    await siege.talk();
    expect(siege.alice.messages.unread.filter(({ attrs }) => attrs.type === 'error')).toEqual([]);
  });
});
