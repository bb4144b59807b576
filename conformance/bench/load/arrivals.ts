import { clockUs } from './clock.ts';
import { numbersIn } from './stanzas.ts';
import { Tally } from './tally.ts';

const messageEnd = Buffer.from('</message>');
const iqStart = Buffer.from('<iq ');
const requestStart = Buffer.from('<r ');
const acknowledgementStart = Buffer.from('<a ');
/** What is neither a message nor a part of one: an IQ, a request to acknowledge, an acknowledgement. */
const other = /<iq\b[^>]*?(?:\/>|>.*?<\/iq>)|<[ra] [^>]*?(?:\/>|><\/[ra]>)/gs;
/** Bytes kept of a stanza that is not complete; none here is nearly as long. */
const longestStanza = 64 * 1024;

/** Where answers go. */
export interface Answers {
  /** An acknowledgement (XEP-0198), on the connection itself. */
  acknowledge(xml: string): void;
  /** The answer to an IQ, on whichever stream leads there. */
  reply(xml: string): void;
  /** The other side has acknowledged. */
  acknowledged(): void;
}

/** Counts the messages that come over one connection, and answers what a server would answer: pings, and requests to acknowledge. */
export class Arrivals extends Tally {
  readonly #answers: Answers;
  #stamped = false;
  /** Stanzas of all kinds since the stream began to acknowledge (XEP-0198 §4). */
  #handled = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(answers: Answers) {
    super();
    this.#answers = answers;
  }

  override begin(stamped: boolean): void {
    super.begin(stamped);
    this.#stamped = stamped;
  }

  /** Stream management begins: from here on stanzas count as handled. */
  restartHandled(): void {
    this.#handled = 0;
  }

  push(chunk: Buffer): void {
    const now = clockUs();
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let end = 0;
    for (let at = bytes.indexOf(messageEnd); at >= 0; at = bytes.indexOf(messageEnd, end)) {
      end = at + messageEnd.length;
      this.received += 1;
      this.#handled += 1;
    }
    if (this.#stamped) {
      for (const sent of numbersIn(bytes.toString('latin1', 0, end))) this.latencies.push(now - sent);
    }
    const more = [iqStart, requestStart, acknowledgementStart].some((start) => bytes.includes(start));
    if (more) end = Math.max(end, this.#answerAll(bytes));
    this.#rest = bytes.subarray(Math.max(end, bytes.length - longestStanza));
    this.look(now);
  }

  /** Answers in one write what came in one read, as servers do. Returns where the last of it ends. */
  #answerAll(bytes: Buffer): number {
    let end = 0;
    let replies = '';
    let requested = false;
    for (const match of bytes.toString('latin1').matchAll(other)) {
      const [text] = match;
      end = match.index + text.length;
      if (text.startsWith('<a')) this.#answers.acknowledged();
      else if (text.startsWith('<r')) requested = true;
      else {
        this.#handled += 1;
        replies += replyTo(text);
      }
    }
    if (requested) this.#answers.acknowledge(`<a xmlns='urn:xmpp:sm:3' h='${this.#handled}'/>`);
    if (replies !== '') this.#answers.reply(replies);
    return end;
  }
}

/** The answer to a request, '' to anything else. */
function replyTo(iq: string): string {
  const attribute = (name: string) => new RegExp(`\\s${name}=['"]([^'"]*)['"]`).exec(iq)?.[1] ?? '';
  if (attribute('type') !== 'get') return '';
  return `<iq type='result' id='${attribute('id')}' from='${attribute('to')}' to='${attribute('from')}'/>`;
}
