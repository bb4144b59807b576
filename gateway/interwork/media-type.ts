/** A media type (RFC 2045 §5.1), names in lower case. */
export interface MediaType {
  /** `text/plain` */
  readonly name: string;
  readonly params: ReadonlyMap<string, string>;
}

/** Parameters read of one media type. */
const MOST_PARAMS = 16;
const PARAM = /;\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/y;

/** Media types read last: there are a handful, and each is looked at several times a message. */
const KNOWN = 64;
const LONGEST_KNOWN = 128;
const known = new Map<string, MediaType>();

/** Reads a Content-Type; '' as its name where it is none. */
export function mediaTypeOf(text: string): MediaType {
  const before = known.get(text);
  if (before !== undefined) return before;
  const type = read(text);
  if (known.size >= KNOWN) known.clear();
  if (text.length <= LONGEST_KNOWN) known.set(text, type);
  return type;
}

function read(text: string): MediaType {
  const end = text.indexOf(';');
  const name = (end < 0 ? text : text.slice(0, end)).trim().toLowerCase();
  const params = new Map<string, string>();
  PARAM.lastIndex = end < 0 ? text.length : end;
  for (let n = 0; n < MOST_PARAMS; n++) {
    const [, key, quoted, plain] = PARAM.exec(text) ?? [];
    if (key === undefined) break;
    params.set(key.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '');
    while (/\s/.test(text.charAt(PARAM.lastIndex))) PARAM.lastIndex++;
  }
  return { name: /^[^\s/]+\/[^\s/]+$/.test(name) ? name : '', params };
}
