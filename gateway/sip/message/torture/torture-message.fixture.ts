/** A message of RFC 4475 or RFC 5118, and what becomes of it at a gateway on a stream. */
export interface TortureMessage {
  /** As the RFC calls it. */
  readonly id: string;
  readonly section: string;
  readonly expected: Outcome;
  /** Why it is expected. */
  readonly why: string;
  /** In the notation of {@link expanded}. */
  readonly text: string;
}

/**
 * `sound`: the layers above decide. A number: the answer to a request. `dropped`: a response that nobody gets.
 * `undelimited`: nothing behind it can be read, so the connection ends. `incomplete`: more of it is waited for.
 */
export type Outcome = 'sound' | 400 | 505 | 'dropped' | 'undelimited' | 'incomplete';

/**
 * The octets of a message: lines end with CRLF; `<allOneLine>` joins its lines, `<hex>` and `<repeat count=N>` are those
 * of RFC 4475 §2. `<sdp ADDRESS/>` is the session description that most of its messages carry.
 */
export function expanded(text: string): Buffer {
  const lines = text
    .replace(/<allOneLine>\n(.*?)\n<\/allOneLine>/gs, (_, joined: string) => joined.replaceAll('\n', ''))
    .replace(/<repeat count=([0-9]+)>(.*?)<\/repeat>/g, (_, count: string, what: string) => what.repeat(Number(count)))
    .replace(/<sdp (.*?)\/>/g, (_, address: string) => session(address))
    .replaceAll('\n', '\r\n');
  return Buffer.concat(
    lines.split(/<hex>([0-9a-f]*)<\/hex>/).map((piece, n) => Buffer.from(piece, n % 2 === 1 ? 'hex' : 'utf8')),
  );
}

function session(address: string): string {
  return [
    'v=0',
    `o=mhandley 29739 7272939 IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    'm=audio 49217 RTP/AVP 0 12',
    'm=video 3227 RTP/AVP 31',
    'a=rtpmap:31 LPC',
  ].join('\n');
}
