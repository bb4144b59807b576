const CR = 0x0d;
const LF = 0x0a;
/** More than this without an end is no message of a bench. */
const longestMessage = 256 * 1024;

/** What is cut out of a stream. */
export interface CutUser {
  /** A message, with its start line and header fields as text; its body is skipped. */
  message(head: string): void;
  /** Empty lines: a keep-alive that wants one back (RFC 5626 §3.5.1). */
  ping(): void;
}

/** Cuts SIP messages out of a stream and reads as little of them as it can: the load must not be slower than what it loads. */
export class SipCutter {
  readonly #user: CutUser;
  #rest: Buffer = Buffer.alloc(0);

  constructor(user: CutUser) {
    this.#user = user;
  }

  /** Throws where what comes is no SIP. */
  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      const start = pastEmptyLines(bytes, at);
      if (start - at >= 4) this.#user.ping();
      at = start;
      const end = bytes.indexOf('\r\n\r\n', at, 'latin1');
      if (end < 0) break;
      const head = bytes.toString('latin1', at, end);
      const next = end + 4 + Number(field(head, 'Content-Length') || 0);
      if (!(next <= bytes.length)) break;
      at = next;
      this.#user.message(head);
    }
    this.#rest = bytes.subarray(at);
    if (this.#rest.length > longestMessage) throw new Error('a SIP message without an end');
  }
}

function pastEmptyLines(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === CR && bytes[at + 1] === LF) at += 2;
  return at;
}

/** The first value of a header field, as everybody here writes its name; '' where there is none. */
export function field(head: string, name: string): string {
  const at = head.indexOf(`\r\n${name}: `);
  if (at < 0) return '';
  const from = at + name.length + 4;
  const end = head.indexOf('\r\n', from);
  return head.slice(from, end < 0 ? undefined : end);
}

/** The start line and header fields of a response to this request, as RFC 3261 §8.2.6 has it; `tag` is that of To, where it has none. */
export function answerTo(head: string, status: string, tag: string, more = ''): string {
  const to = field(head, 'To');
  let answer = `SIP/2.0 ${status}\r\n`;
  for (let at = head.indexOf('\r\nVia: '); at >= 0; at = head.indexOf('\r\nVia: ', at + 2)) {
    const end = head.indexOf('\r\n', at + 2);
    answer += `${head.slice(at + 2, end < 0 ? undefined : end)}\r\n`;
  }
  return (
    `${answer}From: ${field(head, 'From')}\r\nTo: ${to.includes(';tag=') ? to : `${to};tag=${tag}`}\r\n` +
    `Call-ID: ${field(head, 'Call-ID')}\r\nCSeq: ${field(head, 'CSeq')}\r\n${more}`
  );
}
