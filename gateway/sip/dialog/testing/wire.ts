import type { SipMessage } from '../../message/message.ts';
import { parseMessage } from '../../message/parse.ts';
import { serialise } from '../../message/serialise.ts';
import type { Clock } from '../../transaction/clock.ts';
import type { Endpoint, Flow, FlowUser, Peer } from '../../transport/flow.ts';

/** Which way it goes: from the first side or from the second. */
export type Side = 'a' | 'b';

/** One message that was sent, whether or not it arrived. */
export interface Carried {
  readonly from: Side;
  readonly at: number;
  /** `INVITE`, or `200 INVITE` with the method of its CSeq. */
  readonly what: string;
  readonly message: SipMessage;
}

/** Milliseconds until it arrives, or that it never does. */
export type Fate = number | 'drop';

/** One way of one message, ms. */
const LATENCY_MS = 1;

/**
 * Joins two sides by flows in memory. Each message is written, read again at the other end, recorded, and may be
 * dropped, or delayed and so overtaken.
 */
export class Wire {
  readonly record: Carried[] = [];
  /** What becomes of a message; by default it arrives after a millisecond. */
  fate: (carried: Carried) => Fate = () => LATENCY_MS;
  /** Changes a message on its way. */
  edit: ((message: SipMessage) => void) | undefined;
  readonly #clock: Clock;
  readonly #users: Record<Side, FlowUser>;
  #flows: { readonly a: WireFlow; readonly b: WireFlow } | undefined;
  #made = 0;

  constructor(clock: Clock, users: Record<Side, FlowUser>) {
    this.#clock = clock;
    this.#users = users;
  }

  /** The flow of a side; a new one where the last was cut. */
  flow(side: Side): Flow {
    this.#flows ??= this.#connect();
    return this.#flows[side];
  }

  /** The connection is gone, with all that was on its way. */
  cut(): void {
    const flows = this.#flows;
    this.#flows = undefined;
    if (flows === undefined) return;
    flows.a.open = false;
    flows.b.open = false;
    this.#users.a.closed(flows.a, 'cut', 'broken');
    this.#users.b.closed(flows.b, 'cut', 'broken');
  }

  /** What was sent since the last look, such as `a INVITE` or `b 200 INVITE`. */
  take(): string[] {
    return this.record.splice(0).map(({ from, what }) => `${from} ${what}`);
  }

  /** The latest message of a kind. */
  last(from: Side, what: string): SipMessage {
    const found = this.record.findLast((carried) => carried.from === from && carried.what === what);
    if (found === undefined) throw new Error(`No ${what} from ${from}.`);
    return found.message;
  }

  #connect(): { readonly a: WireFlow; readonly b: WireFlow } {
    this.#made += 1;
    const a = new WireFlow(2 * this.#made, (bytes) => this.#carry('a', bytes, a));
    const b = new WireFlow(2 * this.#made + 1, (bytes) => this.#carry('b', bytes, b));
    return { a, b };
  }

  #carry(from: Side, bytes: Buffer, flow: WireFlow): void {
    const message = read(bytes);
    this.edit?.(message);
    const written = serialise(message);
    const carried = { from, at: this.#clock.now(), what: nameOf(message), message: read(written) };
    this.record.push(carried);
    const fate = this.fate(carried);
    if (fate === 'drop') return;
    const to = from === 'a' ? 'b' : 'a';
    this.#clock.setTimeout(() => {
      const there = this.#flows?.[to];
      if (flow.open && there !== undefined) this.#users[to].message(there, read(written));
    }, fate);
  }
}

class WireFlow implements Flow {
  readonly id: number;
  readonly secure = true;
  readonly remote: Endpoint;
  readonly local: Endpoint = { host: '192.0.2.1', port: 5061 };
  readonly peer: Peer = { chain: [Buffer.from('leaf')], identities: ['partner.example'] };
  readonly name = 'partner.example';
  readonly opened = 'by-peer';
  readonly backlog = 0;
  open = true;
  readonly #send: (bytes: Buffer) => void;

  constructor(id: number, send: (bytes: Buffer) => void) {
    this.id = id;
    this.remote = { host: '192.0.2.1', port: 40_000 + id };
    this.#send = send;
  }

  send(message: Buffer): void {
    if (!this.open) throw new Error('Sent on a flow that is closed.');
    this.#send(message);
  }

  close(): void {
    this.open = false;
  }
}

function read(bytes: Buffer): SipMessage {
  const end = bytes.indexOf('\r\n\r\n');
  return parseMessage(bytes.subarray(0, end), bytes.subarray(end + 4));
}

function nameOf(message: SipMessage): string {
  return message.kind === 'request' ? message.method : `${message.status} ${message.cseq.method}`;
}
