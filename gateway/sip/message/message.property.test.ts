import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fault } from '../../../policies/fault.ts';
import { parseContentType } from './content-type.ts';
import { Headers } from './headers.ts';
import { headerText, nameAddress, params, sendable, sipUri, sound, via } from './message.arbitrary.ts';
import { SipRequest, SipResponse } from './message.ts';
import { bodyParts } from './multipart.ts';
import { formatNameAddress, parseNameAddress } from './name-address.ts';
import { formatParams, parseParams } from './params.ts';
import { parseHead, parseMessage } from './parse.ts';
import { serialise } from './serialise.ts';
import { syntaxFault } from './syntax.ts';
import { listElements } from './text.ts';
import { decodeUser, formatUri, parseUri } from './uri.ts';
import { sameUri } from './uri-comparison.ts';
import { formatVia, parseVia } from './via.ts';

describe('what is written reads the same', () => {
  test('messages', () => {
    fc.assert(
      fc.property(sendable, (message) => {
        const { head, body } = divided(serialise(message));
        const again = parseMessage(head, body);
        expect(startOf(again)).toEqual(startOf(message));
        expect([...again.headers]).toEqual([...message.headers, ['Content-Length', String(message.body.length)]]);
        expect(again.body.equals(message.body)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('sound messages, which stay sound', () => {
    fc.assert(
      fc.property(sound, (message) => {
        const { head, body } = divided(serialise(message));
        expect(syntaxFault(parseMessage(head, body))).toBeUndefined();
      }),
    );
  });

  test('SIP URIs, and each is the same as itself', () => {
    fc.assert(
      fc.property(sipUri, (uri) => {
        expect(parseUri(formatUri(uri))).toEqual(uri);
        expect(sameUri(uri, uri)).toBe(true);
      }),
    );
  });

  test('name addresses', () => {
    fc.assert(
      fc.property(nameAddress, (address) => {
        expect(parseNameAddress(formatNameAddress(address))).toEqual(address);
      }),
    );
  });

  test('Vias', () => {
    fc.assert(
      fc.property(via, (value) => {
        expect(parseVia(formatVia(value))).toEqual(value);
      }),
    );
  });

  test('parameters', () => {
    fc.assert(
      fc.property(params, (value) => {
        expect(parseParams(formatParams(value))).toEqual(value);
      }),
    );
  });

  test('lists, whatever their elements quote', () => {
    const addresses = fc.array(nameAddress, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(addresses, (list) => {
        const elements = list.map(formatNameAddress);
        expect(listElements(elements.join(', '))).toEqual(elements);
      }),
    );
  });
});

test('no text of a sender becomes another header, another line or another message', () => {
  const anything = fc.string({ unit: 'binary', maxLength: 30 }).map((text) => text.toWellFormed());
  const ends = fc.constantFrom('\r\n', '\r', '\n', '\0', '\r\n\r\n', '\r\nVia: x', ': ', ' ');
  const hostile = fc.array(fc.oneof(anything, ends, headerText), { maxLength: 4 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(hostile, hostile, hostile, hostile, (method, uri, name, value) => {
      const message = new SipRequest(method, uri, new Headers([[name, value]]));
      const written = faultless(() => serialise(message), 'sip-unsendable');
      if (written === undefined) return;
      const { head, body } = divided(written);
      expect(body).toHaveLength(0);
      const again = parseHead(head);
      expect(startOf(again)).toEqual(startOf(message));
      expect([...again.headers].filter(([spelled]) => spelled !== 'Content-Length')).toEqual(
        [...message.headers].filter(([spelled]) => spelled !== 'Content-Length'),
      );
    }),
    { numRuns: 500 },
  );
});

test('no octets throw anything but a Fault', () => {
  const line = fc.oneof(
    fc.constantFrom('Via: ', 'f:', 'To : ', 'Contact:', 'Route: <sip:', 'CSeq: ', 'Content-Length: ', ' ', 'X', '\r\n'),
    fc.string({ unit: fc.constantFrom(...'<>";=,:@/\\ \t%1aé\0[]?'), maxLength: 20 }),
  );
  const head = fc
    .array(line, { maxLength: 12 })
    .map((pieces) => Buffer.from(`OPTIONS sip:a SIP/2.0\r\n${pieces.join('')}`));
  const octets = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.oneof(head, octets), (bytes) => {
      const message = faultless(() => parseHead(bytes), 'sip-malformed');
      if (message !== undefined) syntaxFault(message);
    }),
    { numRuns: 1000 },
  );
});

/** A parser that compares or copies all of the rest at each step does not come to its end in the time of a test. */
describe('a megabyte of hostile text is read in one pass', () => {
  const characters = [
    '<',
    '>',
    '"',
    '\\',
    ';',
    ',',
    '=',
    ':',
    '@',
    '%',
    '/',
    ' ',
    'a',
    '[',
    '.',
    '&',
    '?',
    'é',
    '"\\',
    '<"',
    '";',
    'a,',
    ';a',
    'a;',
    'a=',
    '%4',
    ':::',
    'a ',
    '""',
    '&a=',
    ' ;',
  ];
  const starts = [
    '',
    'sip:',
    '<sip:',
    '"',
    'sip:a@',
    'sip:[',
    'sip:a;',
    'sip:a?',
    'SIP/2.0/TLS a;',
    '<sip:a>;',
    'a/b;',
  ];

  test.each(characters)('of %j', (character) => {
    const long = character.repeat(2 ** 20 / character.length);
    for (const start of starts) {
      const text = start + long;
      listElements(text);
      const uri = parseUri(text);
      if (uri !== undefined) sameUri(uri, uri);
      decodeUser(text);
      parseContentType(text);
      faultless(() => parseNameAddress(text), 'sip-malformed');
      faultless(() => parseVia(text), 'sip-malformed');
      faultless(() => parseParams(text), 'sip-malformed');
    }
    expect(new Headers([['Via', long]]).all('Via').join('').length).toBeLessThanOrEqual(long.length);
  });

  test.each([
    '--b',
    '--b\r\n',
    '\r\n--b',
    '\r\n--b x',
    '\r\n',
    '-',
    '\r\n--bb',
    '--b\r\nx: y\r\n',
    '\r\n ',
    '\r\n--b\r\n\r\n',
  ])('in a body of %j', (piece) => {
    const content = Buffer.from(`--b\r\n${piece.repeat(2 ** 20 / piece.length)}`);
    expect(
      faultless(() => bodyParts('multipart/mixed;boundary=b', content), 'sip-malformed', 'sip-too-big'),
    ).toBeUndefined();
  });
});

/** What it returns; undefined where it throws the fault that it may throw. */
function faultless<T>(run: () => T, ...codes: readonly Fault['code'][]): T | undefined {
  try {
    return run();
  } catch (thrown) {
    if (thrown instanceof Fault && codes.includes(thrown.code)) return undefined;
    throw thrown;
  }
}

function divided(octets: Buffer): { head: Buffer; body: Buffer } {
  const end = octets.indexOf('\r\n\r\n');
  return { head: octets.subarray(0, end), body: octets.subarray(end + 4) };
}

function startOf(message: SipRequest | SipResponse): readonly unknown[] {
  return message instanceof SipResponse ? [message.status, message.reason] : [message.method, message.uri];
}
