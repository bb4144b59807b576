import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cpimHeader, cpimText, readCpim, writeCpim } from './cpim.ts';
import { mediaTypeOf } from './media-type.ts';
import { fromToken, toToken } from './token.ts';

describe('a CPIM message', () => {
  it('is read with bare line feeds and headers of any prefix', () => {
    const cpim = readCpim(
      Buffer.from('From: <im:a@x>\nNS: I <urn:i>\nI.Message-ID: 1\n\nContent-Type: text/html\n\n<b>'),
    );
    expect(cpim?.body).toEqual({ type: 'text/html', content: Buffer.from('<b>') });
    expect(cpim && cpimHeader(cpim, 'message-id', 'urn:i')).toBe('1');
    expect(cpim && cpimHeader(cpim, 'Message-ID')).toBeUndefined();
  });

  it('comes back as it was written', () => {
    const content = Buffer.from([0, 255, 13, 10]);
    const written = writeCpim({ headers: [['Subject', 'a: b']], body: { type: 'text/plain', content } });
    expect(readCpim(written.content)).toEqual({
      headers: [['Subject', 'a: b']],
      body: { type: 'text/plain', content },
    });
  });

  it.each([
    ['nothing', ''],
    ['no end of its headers', 'From: x\r\n'],
    ['no MIME headers', 'From: x\r\n\r\n'],
    ['a line without a name', 'x\r\n\r\nContent-Type: a/b\r\n\r\nx'],
    ['too many lines', `${'A: b\r\n'.repeat(65)}\r\nContent-Type: a/b\r\n\r\nx`],
    ['a head above its limit', `A: ${'x'.repeat(9_000)}\r\n\r\nContent-Type: a/b\r\n\r\nx`],
  ])('with %s is none', (_what, text) => {
    expect(readCpim(Buffer.from(text))).toBeUndefined();
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(() => readCpim(Buffer.from(bytes))).not.toThrow();
      }),
    );
  });

  it('has escapes and a language in its texts', () => {
    expect(cpimText(';lang=fr beau')).toBe('beau');
    expect(cpimText('a\\u00e9\\\\b\\"')).toBe('aé\\b"');
  });
});

describe('a media type', () => {
  it.each([
    ['text/plain', 'text/plain', {}],
    ['Text/HTML ; Charset = "utf-8"; a=b', 'text/html', { charset: 'utf-8', a: 'b' }],
    ['multipart/mixed;boundary="a;b\\"c"', 'multipart/mixed', { boundary: 'a;b"c' }],
    ['text', '', {}],
    ['', '', {}],
    ['text/plain;;x', 'text/plain', {}],
  ])('%j', (text, name, params) => {
    const type = mediaTypeOf(text);
    expect(type.name).toBe(name);
    expect(Object.fromEntries(type.params)).toEqual(params);
  });
});

describe('a token', () => {
  it('of any text fits SIP and is read back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }), (text) => {
        expect(toToken(text)).toMatch(/^[A-Za-z0-9_.~*!%+@-]+$/);
        expect(fromToken(toToken(text))).toBe(text);
      }),
    );
  });

  it('of somebody else stands for itself', () => {
    expect(fromToken('b64-!!')).toBe('b64-!!');
    expect(fromToken('b64-_w')).toBe('b64-_w');
    expect(fromToken('a@host')).toBe('a@host');
  });
});
