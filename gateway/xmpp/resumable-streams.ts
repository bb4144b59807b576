import { Fault } from '../../policies/fault.ts';
import type { Carrier } from './path.ts';
import type { Left } from './receipts.ts';
import type { Pair } from './stream-management-receiver.ts';
import { RESUMPTION_MS, type Suspension } from './suspension.ts';
import type { XmlStream } from './xml-stream.ts';

/** A stream that a partner opened and may take up again. */
export interface ResumableStream extends Carrier {
  readonly xml: Pick<XmlStream, 'destroy'>;
}

interface Broken {
  readonly stream: ResumableStream;
  readonly pair: Pair;
  readonly suspension: Suspension;
  readonly timer: NodeJS.Timeout;
}

/** Broken streams that hold stanzas of ours at once, each up to a full window of them. */
const BROKEN = 500;

/** The streams that partners may resume, by session: those that stand, and those that broke with stanzas of ours on them. */
export class ResumableStreams {
  readonly #settled: (stream: ResumableStream, left: Left) => void;
  readonly #standing = new Map<string, ResumableStream>();
  readonly #broken = new Map<string, Broken>();
  #closed = false;

  /** `settled` is told what a broken stream has left, once that is known or its time is over. */
  constructor(settled: (stream: ResumableStream, left: Left) => void) {
    this.#settled = settled;
  }

  stands(id: string, stream: ResumableStream): void {
    this.#standing.set(id, stream);
  }

  gone(id: string, stream: ResumableStream): void {
    if (this.#standing.get(id) === stream) this.#standing.delete(id);
  }

  broke(id: string, stream: ResumableStream, pair: Pair, suspension: Suspension): void {
    if (this.#closed || this.#broken.size >= BROKEN) {
      this.#settled(stream, suspension.failed());
      return;
    }
    const timer = setTimeout(() => this.#settle(id, suspension.failed()), RESUMPTION_MS);
    this.#broken.set(id, { stream, pair, suspension, timer });
  }

  /** The partner has come back on another connection: the old one is of no use, whatever TCP thinks of it. */
  drop(id: string): void {
    this.#standing.get(id)?.xml.destroy(new Fault('stream-error', 'The session was resumed on another connection.'));
  }

  /** The partner has handled `h` stanzas of the session. Throws a `StreamFault` where it got fewer. */
  settle(id: string, h: number): void {
    const broken = this.#broken.get(id);
    if (broken !== undefined) this.#settle(id, broken.suspension.resumed(h));
  }

  /** The partner begins anew: it has forgotten the broken streams of this pair. */
  giveUp(pair: Pair): void {
    for (const [id, { pair: of, suspension }] of this.#broken) {
      if (of.home === pair.home && of.partner === pair.partner) this.#settle(id, suspension.failed());
    }
  }

  /** Nobody can come back any more. */
  close(): void {
    this.#closed = true;
    for (const [id, { suspension }] of this.#broken) this.#settle(id, suspension.failed());
  }

  #settle(id: string, left: Left): void {
    const broken = this.#broken.get(id);
    if (broken === undefined) return;
    this.#broken.delete(id);
    clearTimeout(broken.timer);
    this.#settled(broken.stream, left);
  }
}
