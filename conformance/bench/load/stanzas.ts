/** Messages of one write in a flood: about the 64 KB that one read of a busy connection brings. */
export const stanzasPerChunk = 170;

const body =
  'Neither, fair saint, if either thee dislike. But soft, what light through yonder window breaks? It is the east, and Juliet is the sun; ' +
  'arise, fair sun, and kill the envious moon, who is already sick and pale with grief, that thou her maid art far more';

/** Users of either side that talk. */
const senders = 40;
const recipients = 30;
/** Digits of the number in an id: µs of a monotonic clock fit. */
const digits = 16;

/** From and to whom, as domains. */
export interface Pair {
  readonly from: string;
  readonly to: string;
}

/**
 * Messages with 250 bytes of body, some 380 on the wire, as one server sends them to another: of some dozens of users at a time, and every id new.
 * The number in the id is a count, or the time of sending.
 */
export class Stanzas {
  readonly #chunk: Buffer;
  /** Where in the chunk each message has its number, and where it begins. */
  readonly #numbers: number[] = [];
  readonly #starts: number[] = [];
  #next = 0;

  constructor({ from, to }: Pair) {
    let chunk = '';
    for (let n = 0; n < stanzasPerChunk; n++) {
      this.#starts.push(chunk.length);
      chunk += `<message to='juliet${n % recipients}@${to}' from='romeo${n % senders}@${from}/pc' type='chat' id='m`;
      this.#numbers.push(chunk.length);
      chunk += `${'0'.repeat(digits)}'><body>${body}</body></message>`;
    }
    this.#chunk = Buffer.from(chunk, 'latin1');
  }

  /** {@link stanzasPerChunk} messages, counted on. */
  chunk(): Buffer {
    const chunk = Buffer.from(this.#chunk);
    for (const at of this.#numbers) writeNumber(chunk, at, this.#next++);
    return chunk;
  }

  /** One message with this number. */
  one(number: number): Buffer {
    const n = this.#next++ % stanzasPerChunk;
    const [start = 0, at = 0] = [this.#starts[n], this.#numbers[n]];
    const stanza = Buffer.from(this.#chunk.subarray(start, this.#starts[n + 1]));
    writeNumber(stanza, at - start, number);
    return stanza;
  }
}

function writeNumber(into: Buffer, at: number, number: number): void {
  let rest = number;
  for (let place = at + digits - 1; place >= at; place--) {
    const higher = Math.floor(rest / 10);
    into[place] = 0x30 + (rest - higher * 10);
    rest = higher;
  }
}

/** The numbers in these stanzas, whoever wrote their attributes anew. */
export function numbersIn(stanzas: string): number[] {
  return Array.from(stanzas.matchAll(/\sid=['"]m(\d{16})['"]/g), ([, number]) => Number(number));
}
