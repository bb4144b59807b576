import { describe, expect, it } from 'vitest';
import { answerTo, field, SipCutter } from './sip-cutter.ts';

const request = [
  'MESSAGE sip:juliet@capulet.example SIP/2.0',
  'Via: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bKa',
  'Via: SIP/2.0/TLS 192.0.2.2:5061;branch=z9hG4bKb',
  'From: <sip:romeo@montague.example>;tag=1',
  'To: <sip:juliet@capulet.example>',
  'Call-ID: c',
  'CSeq: 1 MESSAGE',
  'Content-Length: 4',
].join('\r\n');

function cut(...chunks: string[]): { heads: string[]; pings: number } {
  const seen = { heads: [] as string[], pings: 0 };
  const cutter = new SipCutter({ message: (head) => seen.heads.push(head), ping: () => seen.pings++ });
  for (const chunk of chunks) cutter.push(Buffer.from(chunk));
  return seen;
}

describe('The reader of the SIP load', () => {
  const stream = `${request}\r\n\r\n\r\n\r\n\r\n\r\n${request}\r\n\r\nbody`;

  it('cuts messages by their length, whatever their bodies are', () => {
    expect(cut(stream)).toEqual({ heads: [request, request], pings: 1 });
    expect(cut('SIP/2.0 200 OK\r\nVia: x\r\n\r\n')).toEqual({ heads: ['SIP/2.0 200 OK\r\nVia: x'], pings: 0 });
  });

  it('cuts them the same however the stream is torn', () => {
    for (let at = 1; at < stream.length; at++) {
      expect(cut(stream.slice(0, at), stream.slice(at)).heads).toEqual([request, request]);
    }
  });

  it('tells pings between messages', () => {
    expect(cut(`\r\n\r\n${request}\r\n\r\nbody`)).toEqual({ heads: [request], pings: 1 });
    expect(cut('\r\n').pings).toBe(0);
  });

  it('ends where there is no end', () => {
    expect(() => cut('x'.repeat(300_000))).toThrow('without an end');
  });

  it('finds header fields', () => {
    expect(field(request, 'Call-ID')).toBe('c');
    expect(field(request, 'Content-Length')).toBe('4');
    expect(field(request, 'Contact')).toBe('');
  });

  it('answers with what RFC 3261 §8.2.6 wants, and a tag where there is none', () => {
    const answer = answerTo(request, '200 OK', 't', 'Contact: <sip:x>\r\n');
    expect(answer.split('\r\n')).toEqual([
      'SIP/2.0 200 OK',
      'Via: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bKa',
      'Via: SIP/2.0/TLS 192.0.2.2:5061;branch=z9hG4bKb',
      'From: <sip:romeo@montague.example>;tag=1',
      'To: <sip:juliet@capulet.example>;tag=t',
      'Call-ID: c',
      'CSeq: 1 MESSAGE',
      'Contact: <sip:x>',
      '',
    ]);
    const again = request.replace('To: <sip:juliet@capulet.example>', 'To: <sip:juliet@capulet.example>;tag=u');
    expect(field(answerTo(again, '200 OK', 't'), 'To')).toBe('<sip:juliet@capulet.example>;tag=u');
  });
});
