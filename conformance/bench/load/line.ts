import type { Socket } from 'node:net';
import { Arrivals } from './arrivals.ts';
import { clockUs } from './clock.ts';
import type { LoadLine, Sent } from './lines.ts';
import { paced } from './pace.ts';
import { type Pair, Stanzas, stanzasPerChunk } from './stanzas.ts';

/** Writes of a flood that may wait at once: enough that the hop never waits for the load. */
const chunksUnderWay = 3;

/** One connection that stands, with its negotiation behind it: stanzas go out and come in. */
export class Line implements LoadLine {
  readonly arrivals: Arrivals;
  readonly #socket: Socket;
  #asks = false;
  /** A request to acknowledge is out; and something was sent behind it. */
  #asked = false;
  #unasked = false;
  #over = false;

  /** `reply` writes answers to IQs: a one-way stream (RFC 6120 §4.3.1) has them on another. On this connection when left out. */
  constructor(socket: Socket, reply = (xml: string): void => void socket.write(xml)) {
    this.#socket = socket;
    this.arrivals = new Arrivals({
      acknowledge: (xml) => socket.write(xml),
      reply,
      acknowledged: () => {
        this.#asked = false;
        if (this.#unasked) this.#ask();
      },
    });
    socket.removeAllListeners('data');
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.arrivals.push(chunk));
    socket.on('error', () => {}); // `close` follows
    socket.on('close', () => {
      this.#over = true;
    });
    socket.resume();
  }

  /** Writes so long, ms, as fast as the hop takes it. */
  async flood(pair: Pair, ms: number): Promise<Sent> {
    const stanzas = new Stanzas(pair);
    const startUs = clockUs();
    const endUs = startUs + ms * 1000;
    let count = 0;
    const writing = new Set<Promise<void>>();
    while (clockUs() < endUs) {
      const write = this.#write(stanzas.chunk()).finally(() => writing.delete(write));
      writing.add(write);
      count += stanzasPerChunk;
      if (writing.size >= chunksUnderWay) await Promise.race(writing);
    }
    await Promise.all(writing);
    return { count, startUs };
  }

  /** Writes so long, ms, so many stanzas a second, each alone and at its time, with the time in its id. */
  async pace(pair: Pair, rate: number, ms: number): Promise<Sent> {
    const stanzas = new Stanzas(pair);
    const count = Math.round((rate * ms) / 1000);
    const startUs = await paced(rate, count, () => {
      if (this.#over) throw new Error('the connection ended');
      this.#socket.write(stanzas.one(clockUs()));
      this.#ask();
    });
    return { count, startUs };
  }

  /** From here on acknowledgements are asked for as Prosody's mod_smacks does: behind what was sent, one request at a time. */
  askForAcks(): void {
    this.#asks = true;
  }

  /** Writes something small by the way. */
  say(xml: string): void {
    this.#socket.write(xml);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Resolves when the kernel has taken it. */
  #write(chunk: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#over) reject(new Error('the connection ended'));
      else this.#socket.write(chunk, (error) => (error ? reject(error) : resolve()));
      this.#ask();
    });
  }

  #ask(): void {
    if (!this.#asks) return;
    this.#unasked = this.#asked;
    if (this.#asked) return;
    this.#asked = true;
    this.#socket.write("<r xmlns='urn:xmpp:sm:3'/>");
  }
}
