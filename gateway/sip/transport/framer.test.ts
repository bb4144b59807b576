import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SipFramer } from './framer.ts';
import { defaultLimits } from './limits.ts';

type Event = 'blank line' | { readonly start: string; readonly subject: string; readonly body: string };

const limits = { ...defaultLimits, headerLines: 8, lineBytes: 200, headBytes: 500, bodyBytes: 300 };

function framed(options = limits) {
  const events: Event[] = [];
  const framer = new SipFramer(
    {
      message: (message) =>
        events.push({
          start: message.kind === 'request' ? message.method : String(message.status),
          subject: message.headers.get('Subject') ?? '',
          body: message.body.toString('latin1'),
        }),
      blankLine: () => events.push('blank line'),
    },
    options,
  );
  return { framer, events };
}

function written(event: Event): Buffer {
  if (event === 'blank line') return Buffer.from('\r\n');
  const { start, subject, body } = event;
  const line = /^\d/.test(start) ? `SIP/2.0 ${start} As it is` : `${start} sip:a@b.example SIP/2.0`;
  const head = `${line}\r\nSubject: ${subject}\r\nl : ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.from(body, 'latin1')]);
}

/** Cuts at the given places, whatever is there. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end));
}

const octets = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const tempting = fc.array(fc.constantFrom('\r\n', '\r', '\n', 'Content-Length: 3', 'BYE sip:x SIP/2.0', ' '), {
  maxLength: 12,
});
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 1, arbitrary: fc.constant('blank line' as const) },
  {
    weight: 3,
    arbitrary: fc.record({
      start: fc.constantFrom('MESSAGE', 'INVITE', 'content-length', '180', '200'),
      subject: fc.stringMatching(/^[a-z]{0,20}$/),
      body: fc.oneof(
        octets,
        tempting.map((pieces) => pieces.join('')),
      ),
    }),
  },
);

describe('The framer', () => {
  it('gives the same messages however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 40 }), (sent, places) => {
        const { framer, events } = framed();
        for (const chunk of cut(Buffer.concat(sent.map(written)), places)) framer.push(chunk);
        expect(events).toEqual(sent);
        expect(framer.held).toBe(0);
      }),
    );
  });

  it('gives them byte by byte', () => {
    const { framer, events } = framed();
    const sent: Event[] = [
      'blank line',
      { start: 'MESSAGE', subject: 'x', body: '\r\n\r\n\r' },
      'blank line',
      'blank line',
    ];
    for (const byte of Buffer.concat(sent.map(written))) framer.push(Buffer.of(byte));
    expect(events).toEqual(sent);
  });

  it('keeps a body of its own, which the next bytes do not change', () => {
    const bodies: Buffer[] = [];
    const framer = new SipFramer({ message: ({ body }) => bodies.push(body), blankLine: () => {} }, limits);
    const message = { start: 'MESSAGE', subject: '', body: 'first' };
    const bytes = written(message);
    framer.push(bytes.subarray(0, 10));
    framer.push(Buffer.concat([bytes.subarray(10), written(message).subarray(0, 20)]));
    framer.push(written({ ...message, body: 'other' }).subarray(20));
    bytes.fill(0);
    expect(bodies.map(String)).toEqual(['first', 'other']);
  });

  it('holds what is incomplete, and no more', () => {
    const { framer } = framed();
    const bytes = written({ start: 'INVITE', subject: 'x', body: 'body' });
    framer.push(Buffer.concat([bytes, bytes, bytes.subarray(0, 11)]));
    expect(framer.held).toBe(11);
    framer.push(bytes.subarray(11, bytes.length - 1));
    expect(framer.held).toBe(bytes.length - 1);
    framer.push(bytes.subarray(-1));
    expect(framer.held).toBe(0);
  });

  it('gives nothing more once it is stopped, also not from the same chunk', () => {
    const seen: string[] = [];
    const framer = new SipFramer(
      {
        message: ({ kind }) => {
          seen.push(kind);
          framer.stop();
        },
        blankLine: () => seen.push('blank line'),
      },
      limits,
    );
    const bytes = written({ start: 'BYE', subject: '', body: '' });
    framer.push(Buffer.concat([bytes, bytes, Buffer.from('\r\n')]));
    framer.push(bytes);
    expect(seen).toEqual(['request']);
  });

  const head = 'MESSAGE sip:a@b.example SIP/2.0\r\n';
  it.each<[why: string, bytes: string, code: string, refusable: boolean]>([
    ['no Content-Length', `${head}Subject: x\r\n\r\n`, 'sip-malformed', true],
    ['two Content-Lengths', `${head}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`, 'sip-malformed', true],
    ['two in different spelling', `${head}l: 0\r\nCONTENT-LENGTH: 9\r\n\r\n`, 'sip-malformed', true],
    ['two in one line', `${head}Content-Length: 1, 1\r\n\r\nx`, 'sip-malformed', true],
    ['a negative length', `${head}Content-Length: -1\r\n\r\n`, 'sip-malformed', true],
    ['a signed length', `${head}Content-Length: +1\r\n\r\n`, 'sip-malformed', true],
    ['a length in hexadecimal', `${head}Content-Length: 0x1\r\n\r\n`, 'sip-malformed', true],
    ['a length with an exponent', `${head}Content-Length: 1e1\r\n\r\n`, 'sip-malformed', true],
    ['an empty length', `${head}Content-Length:\r\n\r\n`, 'sip-malformed', true],
    ['a length beyond numbers', `${head}Content-Length: ${'9'.repeat(40)}\r\n\r\n`, 'sip-malformed', true],
    ['a body over the limit', `${head}Content-Length: 301\r\n\r\n`, 'sip-too-big', true],
    ['a line feed alone', `${head}Subject: x\nContent-Length: 0\r\n\r\n`, 'sip-malformed', false],
    ['an empty line of a line feed alone', `${head}Content-Length: 0\r\n\n`, 'sip-malformed', false],
    ['a line feed in front', `\n${head}`, 'sip-malformed', false],
    ['a carriage return alone in front', `\rx`, 'sip-malformed', false],
    ['another protocol', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'sip-malformed', true],
    ['no start line', 'Hello\r\nContent-Length: 0\r\n\r\n', 'sip-malformed', false],
    ['a TLS greeting in clear', `\x16\x03\x01${'\0'.repeat(200)}`, 'sip-too-big', false],
    ['a long line that ends', `${head}Subject: ${'x'.repeat(200)}\r\n\r\n`, 'sip-too-big', false],
    ['a long line that never ends', `${head}Subject: ${'x'.repeat(200)}`, 'sip-too-big', false],
    ['many lines', `${head}${'X: y\r\n'.repeat(9)}`, 'sip-too-big', false],
    ['a long head', `${head}${`Subject: ${'x'.repeat(180)}\r\n`.repeat(3)}`, 'sip-too-big', false],
  ])('ends at %s, in one piece and byte by byte', (_, bytes, code, refusable) => {
    for (const chunks of [
      [Buffer.from(bytes, 'latin1')],
      [...Buffer.from(bytes, 'latin1')].map((byte) => Buffer.of(byte)),
    ]) {
      const { framer, events } = framed();
      expect(() => {
        for (const chunk of chunks) framer.push(chunk);
      }).toThrow(expect.objectContaining({ code }));
      expect([framer.refusable !== undefined, framer.held]).toEqual([refusable, 0]);
      framer.push(written({ start: 'BYE', subject: '', body: '' }));
      expect(events).toEqual([]);
    }
  });

  it('takes a head as large as the limits, and none that is larger', () => {
    const bytes = Buffer.from(`${head}Subject: ${'x'.repeat(191)}\r\n${'X: y\r\n'.repeat(6)}l:0\r\n\r\n`);
    const { framer, events } = framed({ ...limits, headBytes: bytes.length - 2 });
    framer.push(bytes);
    expect(events).toHaveLength(1);
    expect(() => framed({ ...limits, headBytes: bytes.length - 3 }).framer.push(bytes)).toThrow();
    expect(() => framed({ ...limits, headerLines: 7 }).framer.push(bytes)).toThrow();
    expect(() => framed({ ...limits, lineBytes: 199 }).framer.push(bytes)).toThrow();
  });
});
