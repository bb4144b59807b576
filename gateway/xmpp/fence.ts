import { randomBytes } from 'node:crypto';
import { wireDomain } from '../../policies/address.ts';
import type { Stanza } from '../bridge/stanza.ts';
import { ns } from './namespaces.ts';
import { type Left, nothingLeft, type Receipts, UNCONFIRMED } from './receipts.ts';
import type { ScannedElement } from './start-tag.ts';
import { Window } from './window.ts';
import { escapeAttribute } from './xml.ts';
import type { XmlStream } from './xml-stream.ts';

/** The least time between two batches, ms: what a stanza may wait under load, and at most 400 pings a second. */
const SPACING_MS = 20;
/** How long a peer may leave the first fence unanswered until it counts as one that answers none, ms. */
const FIRST_ANSWER_MS = 30_000;
/** How long such a peer is spared further ones, ms. */
const SPARED_MS = 3_600_000;
/** Domains remembered as such. */
const SPARED = 1_000;
/** How long a full window holds back what follows while no answer comes, ms: the peer's own stream may be stuck. */
const PATIENCE_MS = 10_000;
/** How long answers are waited for behind a stream that has ended: they come on the peer's own stream, ms. */
const LATE_MS = 1_000;
const ID = 'drawbridge-receipt-';

/** The fences of all streams of an edge: their answers may come on any stream. */
export class Fences {
  readonly #delivered: (stanza: Stanza) => void;
  readonly #standing = new Map<string, Fence>();
  readonly #silent = new Map<string, number>();

  /** `delivered` is told of each kept stanza that a peer has taken. */
  constructor(delivered: (stanza: Stanza) => void) {
    this.#delivered = delivered;
  }

  /** A fence for a stream to this domain; undefined where it is known to answer none. */
  raise(xml: XmlStream, pair: { home: string; partner: string }, room: () => void): Fence | undefined {
    const spared = this.#silent.get(pair.partner) ?? 0;
    if (spared > Date.now()) return undefined;
    const nonce = randomBytes(12).toString('hex');
    const fence = new Fence(xml, { home: pair.home, partner: pair.partner, id: `${ID}${nonce}-` }, room, {
      delivered: this.#delivered,
      over: () => this.#standing.delete(nonce),
      silent: () => {
        if (this.#silent.size >= SPARED) this.#silent.clear();
        this.#silent.set(pair.partner, Date.now() + SPARED_MS);
      },
    });
    this.#standing.set(nonce, fence);
    return fence;
  }

  /** Takes an answer to a fence, wherever it arrived; true where it was one. An error answers as well as a result. */
  pong({ id, type }: ScannedElement): boolean {
    if (!id.startsWith(ID) || (type !== 'result' && type !== 'error')) return false;
    const [nonce = '', upTo] = id.slice(ID.length).split('-');
    this.#standing.get(nonce)?.answered(Number(upTo));
    return true;
  }
}

interface FenceTold {
  /** The peer has taken this kept stanza. */
  delivered(stanza: Stanza): void;
  over(): void;
  /** The peer answers no fence at all. */
  silent(): void;
}

/**
 * Learns what a peer without stream management has taken: behind every batch of stanzas stands a ping (XEP-0199) from
 * domain to domain, which a server answers in turn. On a one-way stream the answer comes on the peer's own.
 */
export class Fence implements Receipts {
  readonly #xml: XmlStream;
  readonly #ping: { readonly home: string; readonly partner: string; readonly id: string };
  readonly #room: () => void;
  readonly #told: FenceTold;
  #window: Window | undefined;
  #firstAsked = Number.POSITIVE_INFINITY;
  #proven = false;
  #patience: NodeJS.Timeout | undefined;
  #impatient = false;
  #late: (() => void) | undefined;

  constructor(
    xml: XmlStream,
    ping: { readonly home: string; readonly partner: string; readonly id: string },
    room: () => void,
    told: FenceTold,
  ) {
    this.#xml = xml;
    this.#ping = ping;
    this.#room = room;
    this.#told = told;
    this.#window = new Window({ ...UNCONFIRMED, spacingMs: SPACING_MS, delivered: told.delivered }, (stanzas) =>
      this.#write(stanzas),
    );
  }

  get full(): boolean {
    return this.#window?.full === true && !this.#impatient;
  }

  get pending(): number {
    return this.#window?.pending ?? 0;
  }

  send(stanza: Stanza): void {
    if (this.#answersNone) this.#giveUp();
    if (answersFence(stanza)) {
      // Two gateways would ask each other for ever, were there a fence behind the answer to a fence.
      this.#window?.flush();
      this.#xml.send(stanza.bytes);
      return;
    }
    this.#window?.forget();
    if (this.#window !== undefined) this.#window.add(stanza);
    else {
      this.#xml.send(stanza.bytes);
      if (stanza.kept !== undefined) this.#told.delivered(stanza);
    }
    this.#watch();
  }

  flush(): void {
    this.#window?.flush();
  }

  probe(): boolean {
    return false;
  }

  answered(upTo: number): void {
    if (this.#window?.confirm(upTo) !== true) return;
    this.#proven = true;
    // It may have come on another stream, and is a sign of life of this one.
    this.#xml.lastRead = Date.now();
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#impatient = false;
    this.#watch();
    if (this.#window.underWay === 0) this.#late?.();
    this.#room();
  }

  close(allRead: boolean, settled: (left: Left) => void): void {
    clearTimeout(this.#patience);
    if (this.#answersNone) this.#giveUp();
    if (allRead) this.#window?.confirm(this.#window.written);
    const done = (): void => {
      clearTimeout(limit);
      this.#told.over();
      settled(this.#window?.close() ?? nothingLeft);
    };
    const limit = this.#window?.underWay ? setTimeout(done, LATE_MS) : undefined;
    if (limit === undefined) done();
    else this.#late = done;
  }

  /** A full window waits for answers, but not for ever. */
  #watch(): void {
    if (this.#patience !== undefined || this.#window?.full !== true) return;
    this.#patience = setTimeout(() => {
      this.#impatient = true;
      this.#room();
    }, PATIENCE_MS);
  }

  /** Whether the peer has had its time and answered nothing at all. */
  get #answersNone(): boolean {
    return !this.#proven && Date.now() - this.#firstAsked > FIRST_ANSWER_MS && this.#window !== undefined;
  }

  /** What lies behind unanswered fences was most likely taken; what waits for its turn is written. */
  #giveUp(): void {
    this.#window?.flush();
    this.#window?.confirm(this.#window.written);
    this.#window?.close();
    this.#window = undefined;
    this.#told.silent();
    this.#told.over();
  }

  #write(stanzas: readonly Stanza[]): void {
    const { home, partner, id } = this.#ping;
    for (const { bytes } of stanzas) this.#xml.send(bytes);
    this.#firstAsked = Math.min(this.#firstAsked, Date.now());
    const addresses = `from='${escapeAttribute(wireDomain(home))}' to='${escapeAttribute(wireDomain(partner))}'`;
    this.#xml.send(`<iq type='get' id='${id}${this.#window?.written}' ${addresses}><ping xmlns='${ns.ping}'/></iq>`);
  }
}

function answersFence({ name, id, type }: Stanza): boolean {
  return name === 'iq' && type !== 'get' && id.startsWith(ID);
}
