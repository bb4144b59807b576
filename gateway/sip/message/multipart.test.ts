import { describe, expect, test } from 'vitest';
import { parseContentType } from './content-type.ts';
import { messageLimits } from './limits.ts';
import { bodyPartOf, bodyParts } from './multipart.ts';

test.each([
  ['application/sdp', 'application/sdp', {}],
  ['Text / Plain ; Charset="utf-8"', 'text/plain', { charset: 'utf-8' }],
  ['multipart/mixed;boundary="a b"', 'multipart/mixed', { boundary: 'a b' }],
])('%s is a media type', (text, type, params) => {
  expect(parseContentType(text)).toEqual({ type, params: new Map(Object.entries(params)) });
});

test.each(['', 'text', '/plain', 'text/', 'text/plain;', 'text/plain, x', 'text/"plain"'])('%j is none', (text) => {
  expect(parseContentType(text)).toBeUndefined();
});

test('a body of another type is one part', () => {
  const content = Buffer.from('v=0');
  expect(bodyParts('application/sdp', content)).toMatchObject([{ type: 'application/sdp', content }]);
});

test('the offer is found among the parts, nested ones too', () => {
  const inner = multipart('in', ['Content-Type: text/plain\r\n\r\nhi', 'c: Application/SDP\r\n\r\nv=0\r\n']);
  const body = multipart('out', ['\r\nno headers', `Content-Type: multipart/alternative;boundary=in\r\n\r\n${inner}`]);
  expect(bodyParts('multipart/mixed;boundary=out', body).map(({ type, content }) => [type, `${content}`])).toEqual([
    ['text/plain', 'no headers'],
    ['text/plain', 'hi'],
    ['Application/SDP', 'v=0\r\n'],
  ]);
  expect(`${bodyPartOf('application/sdp', 'multipart/mixed;boundary=out', body)?.content}`).toBe('v=0\r\n');
  expect(bodyPartOf('application/pidf+xml', 'multipart/mixed;boundary=out', body)).toBeUndefined();
});

test('what only looks like the boundary is content', () => {
  const body = multipart('b', ['Content-Type: a/b\r\n\r\nx--b\r\n--bb\r\n--b x\r\ny']);
  expect(bodyParts('multipart/mixed;boundary=b', body).map(({ content }) => `${content}`)).toEqual([
    'x--b\r\n--bb\r\n--b x\r\ny',
  ]);
});

test('text in front of the first boundary and behind the last is of no part', () => {
  const body = Buffer.from(`preamble\r\n--b \r\n\r\nx\r\n--b--\r\nepilogue\r\n--b\r\n\r\ny\r\n--b--`);
  expect(bodyParts('multipart/mixed;boundary=b', body).map(({ content }) => `${content}`)).toEqual(['x']);
});

test('empty parts are parts', () => {
  expect(bodyParts('multipart/mixed;boundary=b', Buffer.from('--b\r\n--b\r\n\r\n--b--'))).toHaveLength(2);
});

describe('refused is', () => {
  test.each([
    ['no boundary', 'multipart/mixed', '--b\r\n\r\nx\r\n--b--'],
    ['a boundary too long', `multipart/mixed;boundary=${'b'.repeat(71)}`, ''],
    ['no closing boundary', 'multipart/mixed;boundary=b', '--b\r\n\r\nx'],
    ['nothing at all', 'multipart/mixed;boundary=b', ''],
    ['a line that is no header', 'multipart/mixed;boundary=b', '--b\r\nno header\r\n\r\nx\r\n--b--'],
    ['too many parts', 'multipart/mixed;boundary=b', `${'--b\r\n\r\nx\r\n'.repeat(messageLimits.parts + 1)}--b--`],
    ['too deep a nest', 'multipart/mixed;boundary=b0', nested(0)],
  ])('%s', (_, type, body) => {
    expect(() => bodyParts(type, Buffer.from(body))).toThrow(expect.objectContaining({ code: 'sip-malformed' }));
  });
});

function multipart(boundary: string, parts: string[]): Buffer {
  return Buffer.from(`${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`);
}

function nested(depth: number): string {
  const content = depth === messageLimits.partNesting ? 'x' : nested(depth + 1);
  const type = `multipart/mixed;boundary=b${depth + 1}`;
  return `--b${depth}\r\nContent-Type: ${type}\r\n\r\n${content}\r\n--b${depth}--`;
}
