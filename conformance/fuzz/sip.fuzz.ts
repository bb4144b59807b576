import fc from 'fast-check';
import { sound } from '../../gateway/sip/message/message.arbitrary.ts';
import type { SipMessage } from '../../gateway/sip/message/message.ts';
import { bodyParts } from '../../gateway/sip/message/multipart.ts';
import { formatNameAddress } from '../../gateway/sip/message/name-address.ts';
import { contentLength, parseHead, parseMessage } from '../../gateway/sip/message/parse.ts';
import { serialise } from '../../gateway/sip/message/serialise.ts';
import { syntaxFault } from '../../gateway/sip/message/syntax.ts';
import { invalidMessages } from '../../gateway/sip/message/torture/invalid.fixture.ts';
import { ipv6Messages } from '../../gateway/sip/message/torture/ipv6.fixture.ts';
import { layerMessages } from '../../gateway/sip/message/torture/layers.fixture.ts';
import { soundResponses } from '../../gateway/sip/message/torture/responses.fixture.ts';
import { expanded } from '../../gateway/sip/message/torture/torture-message.fixture.ts';
import { validMessages } from '../../gateway/sip/message/torture/valid.fixture.ts';
import { parseUri } from '../../gateway/sip/message/uri.ts';
import { sameUri } from '../../gateway/sip/message/uri-comparison.ts';
import { formatVia } from '../../gateway/sip/message/via.ts';
import { Fault } from '../../policies/fault.ts';

/** What was fuzzed, for the reader of the run. */
export interface FuzzCount {
  readonly cases: number;
  /** Without a fault of syntax. */
  readonly sound: number;
  /** Read, but to be refused. */
  readonly refused: number;
  /** Not read: a Fault was thrown. */
  readonly faults: number;
}

/** Messages that the mutations start from, besides the torture messages. */
const SEEDS = 150;
const torture = [...validMessages, ...invalidMessages, ...soundResponses, ...layerMessages, ...ipv6Messages];

const tokens = [
  '\r\n',
  '\r',
  '\n',
  '\r\n ',
  '\r\n\r\n',
  '\0',
  '\\',
  '\\\0',
  '\t',
  ' ',
  ':',
  ';',
  ';;',
  ',',
  ', ',
  '<',
  '>',
  '"',
  '""',
  '=',
  '@',
  '?',
  '&',
  '%',
  '%00',
  '%0d%0a',
  '[',
  ']',
  '[::1]',
  ':::',
  '*',
  '/',
  '0',
  '-1',
  '4294967296',
  '1e9',
  'SIP/2.0',
  'SIP/3.0 ',
  'sips:',
  'tel:+1',
  ';lr',
  ';tag=x',
  ';branch=z9hG4bK',
  ';__proto__=x',
  '\r\nVia: SIP/2.0/TLS a',
  '\r\nl: 0',
  '\r\nContent-Length : 5',
  '\r\n__proto__: x',
  '\r\nContact: *',
  'é',
  '\u2028',
  '\ufeff',
  '🦀',
].map((token) => Buffer.from(token));
const invalidUtf8 = [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xff]].map((bytes) =>
  Buffer.from(bytes),
);

/**
 * Reads mutated messages with everything that the message layer has. Throws where one breaks a promise: nothing but a
 * Fault is thrown, no value that was read would break a line, and what is sound can be written and reads the same.
 */
export function fuzzSip(seed: number, cases: number): FuzzCount {
  const random = randomOf(seed);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const seeds = [
    ...torture.map(({ text }) => expanded(text)),
    ...fc.sample(sound, { seed, numRuns: SEEDS }).map(serialise),
  ];
  const count = { cases, sound: 0, refused: 0, faults: 0 };
  for (let n = 0; n < cases; n++) {
    let octets: Buffer = pick(seeds);
    for (let mutations = random(3); mutations >= 0; mutations--) octets = mutate(octets);
    const message = readOf(octets);
    if (message === undefined) count.faults++;
    else if (check(message)) count.sound++;
    else count.refused++;
  }
  return count;

  function mutate(octets: Buffer): Buffer {
    const at = random(octets.length + 1);
    switch (random(4)) {
      case 0:
        return Buffer.concat([octets.subarray(0, at), Buffer.from([random(256)]), octets.subarray(at + 1)]);
      case 1:
        return Buffer.concat([octets.subarray(0, at), octets.subarray(at + random(20))]);
      case 2: {
        const from = random(octets.length + 1);
        return Buffer.concat([octets.subarray(0, at), octets.subarray(from, from + random(80)), octets.subarray(at)]);
      }
      default: {
        const token = pick(random(20) === 0 ? invalidUtf8 : tokens);
        return Buffer.concat([octets.subarray(0, at), token, octets.subarray(at)]);
      }
    }
  }
}

/** The message at the start of the octets, its body cut or filled up to its length; undefined where there is a Fault. */
function readOf(octets: Buffer): SipMessage | undefined {
  const end = octets.indexOf('\r\n\r\n');
  const head = Buffer.from(end < 0 ? octets : octets.subarray(0, end));
  const rest = end < 0 ? octets.subarray(octets.length) : octets.subarray(end + 4);
  return unlessFault(() => {
    const length = Math.min(contentLength(parseHead(head)), octets.length);
    const body = Buffer.alloc(length);
    rest.copy(body);
    return parseMessage(head, body);
  });
}

/** Whether the message is sound; throws where a promise is broken. */
function check(message: SipMessage): boolean {
  for (const [name, value] of message.headers) {
    if (/[\r\n\0]/.test(name + value)) throw new Error(`A value would break a line: ${JSON.stringify(value)}`);
  }
  const type = message.headers.get('Content-Type');
  if (type !== undefined) unlessFault(() => bodyParts(type, message.body));
  if (syntaxFault(message) !== undefined) return false;
  const { from, to, contact, topVia } = message;
  for (const address of [from, to, ...(contact === undefined ? [] : [contact])]) {
    formatNameAddress(address);
    const uri = parseUri(address.uri);
    if (uri !== undefined && !sameUri(uri, uri)) throw new Error(`Not the same as itself: ${address.uri}`);
  }
  formatVia(topVia);
  checkWritten(message);
  return true;
}

/** What is sound can be written, and reads the same. */
function checkWritten(message: SipMessage): void {
  const octets = serialise(message);
  const again = readOf(octets);
  if (again === undefined || syntaxFault(again) !== undefined) throw new Error(`Not sound when written: ${octets}`);
  if (written(again) !== written(message)) throw new Error(`Another message when written: ${octets}`);
  if (!again.body.equals(message.body)) throw new Error(`Another body when written: ${octets}`);
}

/** A message without its body as one text. The version of a sound one may be in lower case. */
function written(message: SipMessage): string {
  const start = message.kind === 'request' ? [message.method, message.uri] : [message.status, message.reason];
  const fields = [...message.headers].filter(([name]) => name !== 'Content-Length');
  return JSON.stringify([message.kind, start, fields, message.body.length]);
}

function unlessFault<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (thrown) {
    if (thrown instanceof Fault && thrown.code !== 'internal') return undefined;
    throw thrown;
  }
}

/** Whole numbers below a bound, by mulberry32. */
function randomOf(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
