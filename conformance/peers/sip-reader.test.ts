import { describe, expect, it } from 'vitest';
import { headerValue, headerValues, methodOf, SipReader, statusOf, type WireMessage } from './sip-reader.ts';
import { sipBytes } from './sip-wire.ts';

function readAll(bytes: Buffer, step = bytes.length): { read: WireMessage[]; emptyLines: number } {
  const read: WireMessage[] = [];
  const reader = new SipReader((message) => read.push(message));
  for (let at = 0; at < bytes.length; at += step) reader.push(bytes.subarray(at, at + step));
  return { read, emptyLines: reader.emptyLines };
}

const request = sipBytes({ start: 'MESSAGE sip:b@p.example SIP/2.0', headers: [['i', 'x']], body: 'grüß\r\n\r\ndich' });
const response = sipBytes({ start: 'SIP/2.0 404 Not Found', headers: [['Call-ID', 'x']] });

describe('a reader of SIP messages', () => {
  it('cuts them at Content-Length, however they arrive', () => {
    for (const step of [1, 7, 1_000]) {
      const { read } = readAll(Buffer.concat([request, response]), step);
      expect(read.map(({ start }) => start)).toEqual(['MESSAGE sip:b@p.example SIP/2.0', 'SIP/2.0 404 Not Found']);
      expect(read[0]?.body.toString()).toBe('grüß\r\n\r\ndich');
      expect(read.map(methodOf)).toEqual(['MESSAGE', '']);
      expect(read.map(statusOf)).toEqual([0, 404]);
    }
  });

  it('knows compact names, folded lines and headers that come twice', () => {
    const bytes = Buffer.from('OPTIONS sip:p SIP/2.0\r\nv: one\r\nVia:\r\n two\r\nl: 0\r\n\r\n');
    const [message] = readAll(bytes).read;
    expect(message && headerValues(message, 'VIA')).toEqual(['one', 'two']);
    expect(message && headerValue(message, 'subject')).toBe('');
  });

  it('counts the empty lines between messages', () => {
    const { read, emptyLines } = readAll(Buffer.concat([Buffer.from('\r\n\r\n'), response, Buffer.from('\r\n')]));
    expect(read).toHaveLength(1);
    expect(emptyLines).toBe(3);
  });

  it('refuses a length that is none', () => {
    expect(() => readAll(sipBytes({ start: 'A b SIP/2.0', headers: [['Content-Length', 'ten']] }))).toThrow();
  });
});
