import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { clockUs } from './clock.ts';
import type { LoadLine, Sent } from './lines.ts';
import { paced } from './pace.ts';
import { SipCaller } from './sip-caller.ts';
import { answerTo, field, SipCutter } from './sip-cutter.ts';
import { PageMessages } from './sip-messages.ts';
import { SipPhones } from './sip-phones.ts';
import type { Pair } from './stanzas.ts';
import { Tally } from './tally.ts';

/** MESSAGEs of a flood that wait for their answers: enough that the hop never waits for the load, and a fraction of what one connection may have under way. */
const window = 200;

/** The pause where a flood was too much, ms. */
const breathMs = 100;

/** One SIP connection that stands: MESSAGEs and calls go out and come in. */
export class SipLine implements LoadLine {
  readonly arrivals = new Tally();
  readonly caller: SipCaller;
  readonly phones: SipPhones;
  readonly #socket: Socket;
  readonly #via: string;
  /** What is written in one turn goes out as one. */
  #unwritten = '';
  #over = false;
  /** Of our MESSAGEs. */
  #answered = 0;
  /** Of these, answered with 503: there was too much of them, and there will be room. */
  #shed = 0;
  #refused = '';
  #onAnswer: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    const at = `${socket.localAddress}:${socket.localPort}`;
    const transport = socket instanceof TLSSocket ? 'tls' : 'tcp';
    this.#via = `${transport.toUpperCase()} ${at}`;
    const write = (text: string): void => this.say(text);
    this.caller = new SipCaller(write, at, newRun());
    this.phones = new SipPhones(write, `sip:juliet@${at};transport=${transport}`);
    const cutter = new SipCutter({ message: (head) => this.#message(head), ping: () => this.say('\r\n') });
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => cutter.push(chunk));
    socket.on('error', () => {}); // `close` follows
    socket.on('close', () => {
      this.#over = true;
      this.#onAnswer();
    });
  }

  /** Writes so long, ms, as fast as answers come, and resolves when all of them are there: with how many were taken. Rejects where a MESSAGE is refused for good. */
  async flood(pair: Pair, ms: number): Promise<Sent> {
    const messages = this.#begin(pair);
    const startUs = clockUs();
    const endUs = startUs + ms * 1000;
    let count = 0;
    while (clockUs() < endUs) {
      const shed = this.#shed;
      while (count - this.#answered < window) {
        this.say(messages.one());
        count++;
      }
      await this.#more();
      if (this.#shed > shed) await setTimeout(breathMs);
    }
    while (this.#answered < count) await this.#more();
    this.#check();
    return { count: count - this.#shed, startUs };
  }

  /** Writes so long, ms, so many MESSAGEs a second, each alone and at its time; resolves as {@link flood} does. */
  async pace(pair: Pair, rate: number, ms: number): Promise<Sent> {
    const messages = this.#begin(pair);
    const count = Math.round((rate * ms) / 1000);
    const startUs = await paced(rate, count, () => {
      this.#check();
      this.say(messages.one());
    });
    while (this.#answered < count) await this.#more();
    this.#check();
    return { count: count - this.#shed, startUs };
  }

  say(text: string): void {
    if (this.#unwritten === '') queueMicrotask(() => this.#flush());
    this.#unwritten += text;
  }

  #flush(): void {
    this.#socket.write(this.#unwritten, 'latin1');
    this.#unwritten = '';
  }

  #begin(pair: Pair): PageMessages {
    this.#answered = 0;
    this.#shed = 0;
    this.#refused = '';
    return new PageMessages(pair, this.#via, newRun());
  }

  /** Resolves when something was answered, or the connection is over. */
  async #more(): Promise<void> {
    this.#check();
    await new Promise<void>((resolve) => {
      this.#onAnswer = resolve;
    });
  }

  #check(): void {
    if (this.#over) throw new Error('the connection ended');
    if (this.#refused !== '') throw new Error(`a MESSAGE was answered with ${this.#refused}`);
  }

  #message(head: string): void {
    if (head.startsWith('SIP/2.0 ')) this.#response(head);
    else this.#request(head.slice(0, head.indexOf(' ')), head);
  }

  #response(head: string): void {
    if (field(head, 'CSeq').endsWith('MESSAGE')) this.#answer(head);
    else this.caller.response(head);
  }

  #answer(head: string): void {
    const status = Number(head.slice(8, 11));
    if (status < 200) return;
    this.#answered++;
    if (status === 503) this.#shed++;
    else if (status >= 300) this.#refused ||= head.slice(8, head.indexOf('\r\n'));
    this.#onAnswer();
  }

  #request(method: string, head: string): void {
    if (method === 'MESSAGE') this.arrivals.received++;
    if (method !== 'MESSAGE' && method !== 'OPTIONS') this.phones.request(method, head);
    else this.say(`${answerTo(head, '200 OK', 'none')}Content-Length: 0\r\n\r\n`);
    this.arrivals.look(clockUs());
  }
}

/** Nobody else's Call-IDs, branches and tags begin so. */
function newRun(): string {
  return randomBytes(6).toString('hex');
}
