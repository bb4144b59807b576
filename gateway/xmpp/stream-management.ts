import type { Keeper } from '../bridge/ports.ts';
import type { Stanza } from '../bridge/stanza.ts';
import { ns } from './namespaces.ts';
import { type Left, type Receipts, UNCONFIRMED } from './receipts.ts';
import { behind, following, LAPS, readCount } from './stanza-count.ts';
import type { ScannedElement } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import { handledTooMany, Suspension } from './suspension.ts';
import { Window } from './window.ts';
import type { XmlStream } from './xml-stream.ts';

/** The least time between two batches, ms: what a stanza may wait under load. `<r/>` costs less than a ping. */
const SPACING_MS = 10;
/** Questions of one read without a stanza between them: one would do, and a peer that sends hundreds means harm. */
const QUESTIONS = 100;

export interface StreamManagementOptions {
  readonly host: Pick<Keeper, 'delivered' | 'whenKept'>;
  /** The peer has confirmed something. */
  readonly room: () => void;
  /** A stanza of the peer's was counted. */
  readonly touched?: (() => void) | undefined;
  /** What confirmed our stanzas until now, on a stream that may have carried some before. */
  readonly before?: Receipts | undefined;
  /** Where the former stream of the session ended (XEP-0198 §5): how many of ours were handled, and of the peer's. */
  readonly from?: { readonly sent: number; readonly handled: number } | undefined;
}

/** XEP-0198 on one stream, from the moment that it is enabled or resumed: what each side has handled of the other's. */
export class StreamManagement implements Receipts {
  readonly #xml: Pick<XmlStream, 'send' | 'answer'>;
  readonly #options: StreamManagementOptions;
  readonly #window: Window;
  /** The peer's count when our window had written nothing. */
  readonly #base: number;
  #handled: number;
  /** Questions of this read. */
  #asked = 0;
  #concluded = false;
  /** Whether the peer has told its count since we told our last. */
  #toldLast = false;

  constructor(xml: Pick<XmlStream, 'send' | 'answer'>, options: StreamManagementOptions) {
    this.#xml = xml;
    this.#options = options;
    this.#base = options.from?.sent ?? 0;
    this.#handled = options.from?.handled ?? 0;
    const delivered = (stanza: Stanza): void => options.host.delivered(stanza);
    this.#window = new Window({ ...UNCONFIRMED, spacingMs: SPACING_MS, delivered }, (stanzas) => {
      for (const { bytes } of stanzas) xml.send(bytes);
      xml.send(`<r xmlns='${ns.sm}'/>`);
    });
  }

  /** Stanzas of the peer's that were handled here, as `h`. */
  get handled(): number {
    return this.#handled;
  }

  /** Whether our last count is told: what comes behind it is not to be taken. */
  get concluded(): boolean {
    return this.#concluded;
  }

  get pending(): number {
    return this.#window.pending + (this.#options.before?.pending ?? 0);
  }

  get full(): boolean {
    return this.#window.full || this.#options.before?.full === true;
  }

  send(stanza: Stanza): void {
    this.#window.add(stanza);
  }

  flush(): void {
    this.#window.flush();
  }

  probe(): boolean {
    this.#xml.send(`<r xmlns='${ns.sm}'/>`);
    return true;
  }

  /** Counts a stanza of the peer's that was handled. */
  took(): void {
    this.#handled = following(this.#handled);
    this.#asked = Math.min(this.#asked, 1);
    this.#options.touched?.();
  }

  /** Takes `<r/>` and `<a/>`. Throws a {@link StreamFault} where the peer confirms what it never got, or asks without end. */
  element({ name, bytes }: Pick<ScannedElement, 'name' | 'bytes'>): void {
    if (name === 'r') this.#answer();
    else if (name === 'a') {
      const h = readCount(bytes);
      const { written } = this.#window;
      const missing = h === undefined ? Number.POSITIVE_INFINITY : behind(h, this.#base + written);
      if (missing > 2 * UNCONFIRMED.stanzas) throw handledTooMany(h, this.#base + written);
      this.#toldLast ||= this.#concluded;
      this.#window.confirm(written - missing);
      this.#options.room();
    }
  }

  /** Writes no stanza more and tells our last count, as soon as it is kept, before the stream is closed by `then`. */
  conclude(then: () => void): void {
    this.#concluded = true;
    this.#window.stop();
    const h = this.#handled;
    this.#options.host.whenKept(() => {
      this.#xml.send(`<a xmlns='${ns.sm}' h='${h}'/>`);
      then();
    });
  }

  /** A peer that told its count after we had concluded took no more than that, whatever its closing tag answers. */
  close(allRead: boolean, settled: (left: Left) => void): void {
    if (allRead && !this.#toldLast) this.#window.confirm(this.#window.written);
    const left = this.#window.close();
    const { before } = this.#options;
    if (before === undefined) settled(left);
    else before.close(allRead, (former) => settled(joined(former, left)));
  }

  /**
   * The connection broke: what is unconfirmed waits for a stream that resumes this one. Undefined where some of it was
   * sent before there was a count: then {@link close} is to be called.
   */
  suspend(): Suspension | undefined {
    const { before, host } = this.#options;
    if (before !== undefined && before.pending > 0) return undefined;
    before?.close(true, () => undefined);
    const sent = (this.#base + this.#window.written - this.#window.underWay) % LAPS;
    const counted = { sent, handled: this.#handled };
    return new Suspension(counted, this.#window.close(), (stanza) => host.delivered(stanza));
  }

  /** One answer to all questions of one read, with what had been handled when it was over, once that is kept. */
  #answer(): void {
    if (++this.#asked > QUESTIONS) throw new StreamFault('policy-violation', 'stream-protocol', 'It asks and asks.');
    if (this.#asked > 1) return;
    queueMicrotask(() => {
      this.#asked = 0;
      const h = this.#handled;
      this.#options.host.whenKept(() => this.#xml.answer(`<a xmlns='${ns.sm}' h='${h}'/>`));
    });
  }
}

function joined(former: Left, latter: Left): Left {
  return { doubtful: [...former.doubtful, ...latter.doubtful], unsent: [...former.unsent, ...latter.unsent] };
}
