import type { Pair } from './stanzas.ts';

const body =
  'Neither, fair saint, if either thee dislike. But soft, what light through yonder window breaks? It is the east, and Juliet is the sun; ' +
  'arise, fair sun, and kill the envious moon, who is already sick and pale with grief, that thou her maid art far more';

/** Users of either side that talk, as in the stanzas of the XMPP benches. */
const senders = 40;
const recipients = 30;

/** Who talks with whom in the exchange of this number. */
export function talkers({ from, to }: Pair, n: number): { readonly from: string; readonly to: string } {
  return { from: `sip:romeo${n % senders}@${from}`, to: `sip:juliet${n % recipients}@${to}` };
}

/** MESSAGEs with 250 bytes of text, some 580 on the wire, as one server sends them to another: every Call-ID, branch and tag is new. */
export class PageMessages {
  readonly #pair: Pair;
  readonly #via: string;
  readonly #run: string;
  #next = 0;

  /** `via` is transport and sent-by, `TLS 192.0.2.1:5061`; `run` tells this sender's from all others. */
  constructor(pair: Pair, via: string, run: string) {
    this.#pair = pair;
    this.#via = via;
    this.#run = run;
  }

  one(): string {
    const n = this.#next++;
    const id = `${this.#run}${n.toString(16).padStart(10, '0')}`;
    const { from, to } = talkers(this.#pair, n);
    return (
      `MESSAGE ${to} SIP/2.0\r\nVia: SIP/2.0/${this.#via};branch=z9hG4bK${id}\r\nMax-Forwards: 70\r\n` +
      `From: <${from}>;tag=t${id}\r\nTo: <${to}>\r\nCall-ID: ${id}@${this.#pair.from}\r\nCSeq: 1 MESSAGE\r\n` +
      `Content-Type: text/plain;charset=UTF-8\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    );
  }
}
