import { htmlToText } from './html-text.ts';
import { mediaTypeOf } from './media-type.ts';
import { decodeUtf8 } from './percent.ts';
import { xmlCharacters } from './stanza-xml.ts';

/** A body with its media type as written; the same shape as `Body` of the SIP seam. */
export interface Content {
  readonly type: string;
  readonly content: Buffer;
}

/** Splits a multipart body; undefined where it is malformed. */
export type SplitParts = (body: Content) => readonly Content[] | undefined;

/** What is taken in a MESSAGE, for the Accept of a 415 (RFC 3261 §21.4.13). */
export const ACCEPTED =
  'text/plain, text/html, message/cpim, multipart/alternative, multipart/mixed, multipart/related';

export type Read =
  | { readonly ok: true; readonly text: string }
  /** 415: nothing in it can be read here; 400: it is not what it says it is, or empty. */
  | { readonly ok: false; readonly status: 400 | 415; readonly reason: string };

/** How deep multipart bodies may nest. */
const DEEPEST = 3;
/** Parts looked at in all of one multipart body. */
const MOST_PARTS = 32;

/**
 * The text of a body (RFC 7572 §7): plain text, HTML as a reader sees it, or the best part of several: plain text before
 * HTML. Line feeds end its lines, and what XML cannot carry is left out.
 */
export function readContent(body: Content, split: SplitParts | undefined): Read {
  const { name } = mediaTypeOf(body.type);
  if (!name.startsWith('multipart/')) return readText(body);
  const leaves = leavesOf(body, split, DEEPEST);
  if (leaves === undefined) return { ok: false, status: 400, reason: 'Malformed Multipart Body' };
  for (const wanted of ['text/plain', 'text/html']) {
    const reads = leaves.filter((part) => mediaTypeOf(part.type).name === wanted).map(readText);
    const found = reads.find(({ ok }) => ok) ?? reads[0];
    if (found !== undefined) return found;
  }
  return { ok: false, status: 415, reason: 'Unsupported Media Type' };
}

function leavesOf(body: Content, split: SplitParts | undefined, depth: number): Content[] | undefined {
  const parts = split?.(body);
  if (parts === undefined || parts.length > MOST_PARTS) return undefined;
  const leaves: Content[] = [];
  for (const part of parts) {
    const nested = mediaTypeOf(part.type).name.startsWith('multipart/') && depth > 1;
    const found = nested ? leavesOf(part, split, depth - 1) : [part];
    if (found === undefined || leaves.length + found.length > MOST_PARTS) return undefined;
    leaves.push(...found);
  }
  return leaves;
}

function readText({ type, content }: Content): Read {
  const { name, params } = mediaTypeOf(type);
  if (name !== 'text/plain' && name !== 'text/html') {
    return { ok: false, status: 415, reason: 'Unsupported Media Type' };
  }
  const charset = params.get('charset')?.toLowerCase() ?? 'utf-8';
  const decode = charsets.get(charset);
  if (decode === undefined) return { ok: false, status: 415, reason: 'Unsupported Charset' };
  const decoded = decode(content);
  if (decoded === undefined) return { ok: false, status: 400, reason: 'Body Not In Its Charset' };
  const lines = decoded.includes('\r') ? decoded.replace(/\r\n?/g, '\n') : decoded;
  const text = xmlCharacters(name === 'text/html' ? htmlToText(lines) : lines);
  return text.trim() === '' ? { ok: false, status: 400, reason: 'Empty Body' } : { ok: true, text };
}

/** What calls itself Latin-1 is read as its superset that is meant (WHATWG Encoding §4.2): its controls say nothing. */
const latin1 = new TextDecoder('windows-1252');
const charsets: ReadonlyMap<string, (content: Buffer) => string | undefined> = new Map<
  string,
  (content: Buffer) => string | undefined
>([
  ['utf-8', decodeUtf8],
  ['utf8', decodeUtf8],
  // A subset of UTF-8, which is what those send who declare it wrongly.
  ['us-ascii', decodeUtf8],
  ['iso-8859-1', (content: Buffer): string => latin1.decode(content)],
]);
