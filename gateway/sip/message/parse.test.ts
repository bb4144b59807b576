import { describe, expect, test } from 'vitest';
import { messageLimits } from './limits.ts';
import { contentLengthOf, parseHead, parseMessage } from './parse.ts';

const empty = Buffer.alloc(0);

test('a request is read', () => {
  const body = Buffer.from([0, 255, 13, 10]);
  const message = parseMessage(headOf('MESSAGE sip:b@c SIP/2.0', 'f: <sip:a@b>;tag=1', 'l: 4'), body);
  expect(message).toMatchObject({ kind: 'request', method: 'MESSAGE', uri: 'sip:b@c', version: 'SIP/2.0', body });
  expect(message.from.uri).toBe('sip:a@b');
});

test.each([
  ['SIP/2.0 200 OK', 200, 'OK'],
  ['sip/2.0 200 OK', 200, 'OK'],
  ['SIP/2.0 699', 699, ''],
  ['SIP/2.0 200  two  spaces ', 200, ' two  spaces '],
  ['SIP/2.0 099 Low', 0, ''],
  ['SIP/2.0 700 High', 0, ''],
  ['SIP/2.0 2000 Long', 0, ''],
  ['SIP/2.0 20 Short', 0, ''],
  ['SIP/2.0 ２００ Wide', 0, ''],
  ['SIP/2.0', 0, ''],
])('%j is a response of status %i', (line, status, reason) => {
  expect(parseHead(headOf(line))).toMatchObject({ kind: 'response', status, reason });
});

test('the head may end with the CRLF of its last line', () => {
  expect(parseMessage(Buffer.from('OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n'), empty).headers.size).toBe(1);
});

test('folded values are one line; the fold is a space', () => {
  const { headers } = parseHead(
    headOf('OPTIONS sip:a SIP/2.0', 'Subject: a', '  b', '\t', ' c ', 'Empty:', 'F:', ' x'),
  );
  expect([...headers]).toEqual([
    ['Subject', 'a b c'],
    ['Empty', ''],
    ['From', 'x'],
  ]);
});

test('white space in front of the colon is of no meaning', () => {
  expect(contentLengthOf(headOf('OPTIONS sip:a SIP/2.0', 'content-length \t : 5'))).toBe(5);
});

test('octets that are no UTF-8 are replaced, and the rest is whole', () => {
  const head = Buffer.concat([
    headOf('OPTIONS sip:a SIP/2.0', 'Subject: a'),
    Buffer.from([0xff, 0xfe]),
    Buffer.from('b'),
  ]);
  expect(parseHead(head).headers.get('Subject')).toBe('a\ufffd\ufffdb');
});

describe('what breaks the form is refused', () => {
  test.each([
    ['', 'nothing'],
    ['\r\nOPTIONS sip:a SIP/2.0', 'an empty start line'],
    ['OPTIONS', 'half a start line'],
    ['OPTIONS sip:a', 'no version'],
    ['OPT(IONS sip:a SIP/2.0', 'a method that is no token'],
    [' OPTIONS sip:a SIP/2.0', 'a space in front'],
    ['OPTIONS sip:a SIP/2.0\nTo: a', 'LF alone'],
    ['OPTIONS sip:a SIP/2.0\rTo: a', 'CR alone'],
    ['OPTIONS sip:a SIP/2.0\r\nTo: a\rb', 'CR alone in a value'],
    ['OPTIONS sip:a SIP/2.0\r\nTo: a\nb', 'LF alone in a value'],
    ['OPTIONS sip:a SIP/2.0\r\nTo: a\r', 'CR alone at the end'],
    ['OPTIONS sip:a SIP/2.0\r\nTo: a\r\n\r\nFrom: b', 'an empty line'],
    ['OPTIONS sip:a SIP/2.0\r\nTo', 'no colon'],
    ['OPTIONS sip:a SIP/2.0\r\nTo\r\n : a', 'a fold in front of the colon'],
    ['OPTIONS sip:a SIP/2.0\r\nT o: a', 'a space in a name'],
    ['OPTIONS sip:a SIP/2.0\r\n: a', 'no name'],
    ['OPTIONS sip:a SIP/2.0\r\nTö: a', 'a name beyond ASCII'],
    ['OPTIONS sip:a SIP/2.0\r\nTo\u00a0: a', 'another white space in front of the colon'],
    ['OPTIONS sip:a SIP/2.0\r\nTo: a\0b', 'NUL'],
  ])('%j: %s', (text) => {
    expect(() => parseHead(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'sip-malformed' }));
  });
});

describe('Content-Length', () => {
  test.each([
    ['none', []],
    ['two', ['Content-Length: 3', 'Content-Length: 3']],
    ['two, one compact', ['Content-Length: 3', 'l: 3']],
    ['two, with a space', ['Content-Length: 3', 'Content-Length : 3']],
    ['a list', ['Content-Length: 3, 3']],
    ['a sign', ['Content-Length: +3']],
    ['a negative one', ['Content-Length: -3']],
    ['an exponent', ['Content-Length: 3e0']],
    ['hex', ['Content-Length: 0x3']],
    ['a fraction', ['Content-Length: 3.0']],
    ['digits beyond ASCII', ['Content-Length: ３']],
    ['nothing', ['Content-Length:']],
    ['a fold within', ['Content-Length: 3', ' 3']],
    ['one too large for a number', ['Content-Length: 99999999999999999999']],
  ])('%s is refused', (_, lines) => {
    const head = headOf('OPTIONS sip:a SIP/2.0', ...lines);
    const refused = expect.objectContaining({ code: 'sip-malformed' });
    expect(() => contentLengthOf(head)).toThrow(refused);
    expect(() => parseMessage(head, Buffer.from('abc'))).toThrow(refused);
  });

  test.each([2, 4])('a body of %i octets is not one of 3', (octets) => {
    const head = headOf('OPTIONS sip:a SIP/2.0', 'Content-Length: 003');
    expect(() => parseMessage(head, Buffer.alloc(octets))).toThrow(expect.objectContaining({ code: 'sip-malformed' }));
    expect(parseMessage(head, Buffer.alloc(3)).body).toHaveLength(3);
  });
});

describe('limits', () => {
  const tooBig = expect.objectContaining({ code: 'sip-too-big' });
  const lines = (count: number): Buffer => headOf('OPTIONS sip:a SIP/2.0', ...Array(count).fill('X: y'));

  test('of lines, which can be set', () => {
    expect(parseHead(lines(messageLimits.headerLines)).headers.size).toBe(messageLimits.headerLines);
    expect(() => parseHead(lines(messageLimits.headerLines + 1))).toThrow(tooBig);
    expect(parseHead(lines(100), { headerLines: 100 }).headers.size).toBe(100);
  });

  test('of lines, continuation lines counted', () => {
    const folded = headOf('OPTIONS sip:a SIP/2.0', 'X: y', ...Array(messageLimits.headerLines).fill(' y'));
    expect(() => parseHead(folded)).toThrow(tooBig);
  });

  test('of one line, and of one header', () => {
    const long = 'y'.repeat(messageLimits.lineBytes - 3);
    expect(parseHead(headOf('OPTIONS sip:a SIP/2.0', `X: ${long}`)).headers.get('X')).toBe(long);
    expect(() => parseHead(headOf('OPTIONS sip:a SIP/2.0', `X: ${long}y`))).toThrow(tooBig);
    expect(() => parseHead(headOf('OPTIONS sip:a SIP/2.0', `X: ${long}`, ' y'))).toThrow(tooBig);
    expect(() => parseHead(headOf(`OPTIONS sip:${long} SIP/2.0`))).toThrow(tooBig);
  });

  test('of the head', () => {
    const head = headOf('OPTIONS sip:a SIP/2.0', ...Array(9).fill(`X: ${'y'.repeat(messageLimits.lineBytes - 3)}`));
    expect(() => parseHead(head)).toThrow(tooBig);
  });
});

function headOf(...lines: string[]): Buffer {
  return Buffer.from(lines.join('\r\n'));
}
