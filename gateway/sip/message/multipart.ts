import { parseContentType } from './content-type.ts';
import { headText, readHeaderLines } from './header-lines.ts';
import { Headers } from './headers.ts';
import { messageLimits } from './limits.ts';
import { malformed } from './malformed.ts';
import { trimmed } from './text.ts';

/** One part of a body, or the whole of one that is not multipart. */
export interface BodyPart {
  /** The media type as written; `text/plain` where the part says none (RFC 2046 §5.1). */
  readonly type: string;
  readonly headers: Headers;
  readonly content: Buffer;
}

/**
 * The parts of a body, those of nested multiparts in their place (RFC 5621 §3). A body of another type is one part.
 * Throws `sip-malformed` where the boundary is missing, and past {@link messageLimits.parts} or `partNesting`;
 * `sip-too-big` where the headers of a part are.
 */
export function bodyParts(type: string, content: Buffer, headers = new Headers()): BodyPart[] {
  const parts: BodyPart[] = [];
  collect({ type, headers, content }, 0, parts);
  return parts;
}

/** The first part of a type, such as `application/sdp`; undefined where there is none. Throws as {@link bodyParts}. */
export function bodyPartOf(wanted: string, type: string, content: Buffer): BodyPart | undefined {
  return bodyParts(type, content).find((part) => parseContentType(part.type)?.type === wanted);
}

function collect(part: BodyPart, depth: number, parts: BodyPart[]): void {
  const type = parseContentType(part.type);
  if (!type?.type.startsWith('multipart/')) {
    if (parts.push(part) > messageLimits.parts) throw malformed('The body has too many parts.');
    return;
  }
  if (depth === messageLimits.partNesting) throw malformed('The body nests too deep.');
  const boundary = type.params.get('boundary') ?? '';
  // RFC 2046 §5.1.1.
  if (boundary === '' || boundary.length > 70) throw malformed('The body has no boundary.');
  for (const piece of pieces(part.content, boundary)) collect(partOf(piece), depth + 1, parts);
}

/** What stands between the lines of the boundary. */
function pieces(content: Buffer, boundary: string): Buffer[] {
  const delimiter = Buffer.from(`--${boundary}`);
  const found: Buffer[] = [];
  let start = -1;
  for (let at = content.indexOf(delimiter); at >= 0; at = content.indexOf(delimiter, at + 1)) {
    if (at > 0 && content.toString('latin1', at - 2, at) !== '\r\n') continue;
    const behind = at + delimiter.length;
    const closing = content.toString('latin1', behind, behind + 2) === '--';
    const feed = content.indexOf('\r\n', behind);
    const lineEnd = feed < 0 ? content.length : feed;
    if (trimmed(content.toString('latin1', closing ? behind + 2 : behind, lineEnd)) !== '') continue;
    if (start >= 0) found.push(content.subarray(start, Math.max(start, at - 2)));
    if (found.length > messageLimits.parts) throw malformed('The body has too many parts.');
    if (closing) return found;
    start = lineEnd + 2;
  }
  throw malformed('The last part of the body never ends.');
}

function partOf(piece: Buffer): BodyPart {
  const headers = new Headers();
  // Without any header the empty line comes first.
  const bare = piece.subarray(0, 2).toString('latin1') === '\r\n';
  const end = bare ? 0 : piece.indexOf('\r\n\r\n');
  const head = end < 0 ? piece : piece.subarray(0, end);
  readHeaderLines(headText(head), 0, messageLimits.headerLines, headers);
  const content = end < 0 ? piece.subarray(piece.length) : piece.subarray(bare ? 2 : end + 4);
  return { type: headers.get('Content-Type') ?? 'text/plain', headers, content };
}
