import type { Content } from './content.ts';
import { oneLine } from './error.ts';
import { decodeUtf8 } from './percent.ts';

/** A message in the format of RFC 3862: headers of its own around one MIME body. */
export interface Cpim {
  /** In their order; names as written, prefixes included. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Content;
}

export const CPIM_TYPE = 'message/cpim';
/** Octets and lines of both header blocks that are looked at. */
const LONGEST_HEAD = 8_192;
const MOST_LINES = 64;

/** Unwraps a `message/cpim` body; undefined where it is malformed. What it says of From and To proves nothing. */
export function readCpim(content: Buffer): Cpim | undefined {
  const outer = headAt(content, 0);
  const inner = outer && headAt(content, outer.end);
  if (outer === undefined || inner === undefined) return undefined;
  const said = (name: string): string | undefined => inner.headers.find(([known]) => known.toLowerCase() === name)?.[1];
  const length = said('content-length') ?? '';
  const rest = content.subarray(inner.end);
  const body = /^[0-9]{1,9}$/.test(length) ? rest.subarray(0, Number(length)) : rest;
  return { headers: outer.headers, body: { type: said('content-type') ?? 'text/plain', content: body } };
}

/** The value of a CPIM header; `imdn` ones under whichever prefix stands for their namespace (RFC 3862 §4.4). */
export function cpimHeader({ headers }: Cpim, name: string, namespace?: string): string | undefined {
  const prefix = namespace === undefined ? '' : `${prefixOf(headers, namespace)}.`;
  const wanted = `${prefix}${name}`.toLowerCase();
  return headers.find(([known]) => known.toLowerCase() === wanted)?.[1];
}

/** Writes one; header values are made one line. */
export function writeCpim({ headers, body }: Cpim, mimeHeaders: Cpim['headers'] = []): Content {
  const line = ([name, value]: readonly [string, string]): string => `${name}: ${oneLine(value, LONGEST_HEAD)}\r\n`;
  const own = headers.map(line).join('');
  const mime = [
    ['Content-Type', body.type] as const,
    ...mimeHeaders,
    ['Content-Length', `${body.content.length}`] as const,
  ];
  const head = `${own}\r\n${mime.map(line).join('')}\r\n`;
  return { type: CPIM_TYPE, content: Buffer.concat([Buffer.from(head), body.content]) };
}

/** The text of a CPIM header, its parameters (`;lang=`) and escapes undone (RFC 3862 §2.3). */
export function cpimText(value: string): string {
  const text = value.startsWith(';') ? value.slice(value.indexOf(' ') + 1) : value;
  return text.replace(/\\(?:u([0-9A-Fa-f]{4})|(.))/g, (_, point?: string, character?: string) =>
    point === undefined ? (character ?? '') : String.fromCharCode(Number.parseInt(point, 16)),
  );
}

interface Head {
  readonly headers: Cpim['headers'];
  readonly end: number;
}

/** The header block that begins here, up to its empty line; lines end in CRLF or, as many write it, LF. */
function headAt(content: Buffer, start: number): Head | undefined {
  const headers: (readonly [string, string])[] = [];
  let at = start;
  while (headers.length < MOST_LINES) {
    const end = content.indexOf(0x0a, at);
    if (end < 0 || end - start > LONGEST_HEAD) return undefined;
    const line = decodeUtf8(content.subarray(at, end))?.replace(/\r$/, '');
    at = end + 1;
    if (line === '') return { headers, end: at };
    const colon = line?.indexOf(':') ?? -1;
    if (line === undefined || colon < 1) return undefined;
    headers.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
  }
  return undefined;
}

function prefixOf(headers: Cpim['headers'], namespace: string): string {
  const declared = headers.find(([name, value]) => name.toLowerCase() === 'ns' && value.endsWith(`<${namespace}>`));
  return declared?.[1].slice(0, -namespace.length - 2).trim() ?? 'imdn';
}
