import { ns } from './namespaces.ts';
import { Scanner, type ScannerLimits } from './scanner.ts';
import type { ScannedElement, StreamHeader } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';

/** An opening as Prosody and ejabberd send it. */
export const OPENING =
  `<?xml version='1.0'?><stream:stream xmlns='${ns.server}' xmlns:stream='${ns.streams}' xmlns:db='${ns.dialback}' ` +
  "from='montague.example' to='capulet.example' version='1.0' xml:lang='en'>";
export const CLOSING = '</stream:stream>';

export const LIMITS: ScannerLimits = { elementBytes: 65_536, depth: 16, attributes: 16 };

export interface Scanned {
  readonly headers: StreamHeader[];
  readonly elements: ScannedElement[];
  readonly footers: number;
  readonly fault: StreamFault | undefined;
  readonly unconsumed: number;
}

export interface ScanOptions {
  readonly limits?: Partial<ScannerLimits>;
  readonly content?: string;
}

/** Scans chunks to the end or to the first fault; what is no StreamFault is thrown. */
export function scan(chunks: Iterable<Buffer | string>, { limits, content = ns.server }: ScanOptions = {}): Scanned {
  const headers: StreamHeader[] = [];
  const elements: ScannedElement[] = [];
  let footers = 0;
  let fault: StreamFault | undefined;
  const scanner = new Scanner(
    {
      header: (header) => headers.push(header),
      element: (element) => elements.push(element),
      footer: () => footers++,
    },
    { ...LIMITS, ...limits },
    content,
  );
  try {
    for (const chunk of chunks) scanner.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  } catch (error) {
    if (!(error instanceof StreamFault)) throw error;
    fault = error;
  }
  return { headers, elements, footers, fault, unconsumed: scanner.unconsumed };
}

/** Scans what stands in a stream of two servers, and returns its elements; throws the fault where there is one. */
export function scanElements(
  inside: string,
  options: ScanOptions & { readonly opening?: string } = {},
): ScannedElement[] {
  const { elements, fault } = scan([options.opening ?? OPENING, inside], options);
  if (fault !== undefined) throw fault;
  return elements;
}

/** Cuts bytes at these places (in any order, repeated or out of range). */
export function split(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...cuts].map((from, n) => bytes.subarray(from, cuts[n] ?? bytes.length));
}
