import fc from 'fast-check';
import { ns } from '../../gateway/xmpp/namespaces.ts';
import { Scanner } from '../../gateway/xmpp/scanner.ts';
import type { ScannedElement } from '../../gateway/xmpp/start-tag.ts';
import { StreamFault } from '../../gateway/xmpp/stream-error.ts';
import { generatedStream } from '../../gateway/xmpp/xml.arbitrary.ts';

/** What was fuzzed, for the reader of the run. */
export interface FuzzCount {
  readonly cases: number;
  readonly elements: number;
  readonly faults: number;
}

const LIMITS = { elementBytes: 100_000, depth: 40, attributes: 40 };
/** The limit of a second scanner reading what the first one wrote, which may have declared prefixes on it. */
const WIDER = { ...LIMITS, elementBytes: LIMITS.elementBytes * 2, attributes: LIMITS.attributes * 2 };
/** Streams the mutations start from. */
const SEEDS = 300;
const HOME = `<stream:stream xmlns='${ns.component}' xmlns:stream='${ns.streams}'>`;

const tokens = [
  '<',
  '>',
  '/>',
  '</',
  '&',
  ';',
  '"',
  "'",
  '=',
  ' ',
  '\n',
  '\r',
  ':',
  'x',
  '1',
  '&amp;',
  '&#0;',
  '&#10;',
  '&#xD800;',
  '&#x110000;',
  '&nbsp;',
  '&valueOf;',
  '<![CDATA[',
  ']]>',
  ']]',
  '<!--',
  '-->',
  '<?x?>',
  "<?xml version='1.0'?>",
  '<!DOCTYPE a>',
  '\0',
  '\x1b',
  '\ufeff',
  '\ufffe',
  '\uffff',
  '🦀',
  '<a>',
  '</a>',
  '<a/>',
  '<h:a/>',
  '<q:a/>',
  '<xmlns:a/>',
  '</message>',
  '</stream:stream>',
  ' to="a"',
  ' b="1" b="2"',
  ' h:b="" g:b=""',
  ' xml:lang="x"',
  ' xmlns=""',
  ` xmlns='${ns.server}'`,
  ` xmlns='${ns.xml}'`,
  ' xmlns:h="urn:h"',
  ' xmlns:g="urn:h"',
  ' xmlns:h=""',
  ' xmlns:xml="urn:a"',
  " xmlns='a&#10;b'",
  ` xmlns:s='${ns.server}'`,
].map((token) => Buffer.from(token));
const invalidUtf8 = [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe4, 0xb8]].map((bytes) =>
  Buffer.from(bytes),
);

/**
 * Feeds mutated streams to the scanner. Throws where one breaks a promise: nothing but a StreamFault is thrown, what is
 * handed out stays as it is, and what may be written on another stream reads the same there, and is not changed again.
 */
export function fuzzScanner(seed: number, cases: number): FuzzCount {
  const random = randomOf(seed);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const streams = fc.sample(generatedStream, { seed, numRuns: SEEDS }).map(({ opening, items, closing }) => {
    return Buffer.from(opening + items.join(' ') + closing);
  });
  let elements = 0;
  let faults = 0;
  for (let n = 0; n < cases; n++) {
    let stream: Buffer = pick(streams);
    for (let mutations = random(3); mutations >= 0; mutations--) stream = mutate(stream);
    const read = readStream(stream, () => 1 + random(stream.length + 1));
    elements += read.elements.length;
    if (read.fault) faults++;
    for (const element of read.elements) checkPortable(element);
  }
  return { cases, elements, faults };

  function mutate(bytes: Buffer): Buffer {
    const at = random(bytes.length + 1);
    const tag = bytes.indexOf('>', at);
    const place = tag >= 0 && random(2) === 0 ? tag : at;
    switch (random(4)) {
      case 0:
        return Buffer.concat([bytes.subarray(0, at), Buffer.from([random(256)]), bytes.subarray(at + 1)]);
      case 1:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random(20))]);
      case 2: {
        const from = random(bytes.length + 1);
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + random(60)), bytes.subarray(at)]);
      }
      default:
        return Buffer.concat([
          bytes.subarray(0, place),
          pick(random(20) === 0 ? invalidUtf8 : tokens),
          bytes.subarray(place),
        ]);
    }
  }
}

interface Read {
  readonly elements: ScannedElement[];
  readonly fault: StreamFault | undefined;
}

function readStream(stream: Buffer, chunkBytes: () => number): Read {
  const elements: ScannedElement[] = [];
  const copies: Buffer[] = [];
  const scanner = new Scanner(
    {
      header() {},
      element(element) {
        elements.push(element);
        copies.push(Buffer.from(element.bytes));
      },
      footer() {},
    },
    LIMITS,
    ns.server,
  );
  let fault: StreamFault | undefined;
  try {
    for (let at = 0; at < stream.length; ) {
      const chunk = Buffer.from(stream.subarray(at, at + chunkBytes()));
      at += chunk.length;
      scanner.push(chunk);
    }
  } catch (error) {
    if (!(error instanceof StreamFault)) throw error;
    fault = error;
  }
  for (const [n, { bytes }] of elements.entries()) {
    if (!bytes.equals(copies[n] as Buffer))
      throw new Error(`Bytes were changed after they were handed out: ${copies[n]}`);
  }
  return { elements, fault };
}

/** Reads a stanza again as the home server does, on a stream with another default namespace and no prefixes. */
function checkPortable(element: ScannedElement): void {
  if (element.namespace !== ns.server) return;
  const again: ScannedElement[] = [];
  const scanner = new Scanner({ header() {}, element: (read) => again.push(read), footer() {} }, WIDER, ns.component);
  scanner.push(Buffer.from(HOME));
  scanner.push(element.bytes);
  const read = again[0];
  if (again.length !== 1 || read === undefined) throw new Error(`Read as ${again.length} elements: ${element.bytes}`);
  if (!read.bytes.equals(element.bytes)) throw new Error(`Changed again: ${element.bytes} to ${read.bytes}`);
  for (const field of ['name', 'to', 'from', 'type', 'id', 'childName'] as const) {
    if (read[field] !== element[field]) throw new Error(`Another ${field}: ${element.bytes}`);
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
