/** What a session may hold that its client has not taken, in stanzas and bytes: a phone's night without network. */
export interface QueueBounds {
  readonly stanzas: number;
  readonly bytes: number;
}

/** The stream that a queue is written to. */
export interface QueueOutlet {
  readonly full: boolean;
  stanza(bytes: Buffer): void;
  /** Asks the client how far it has come. */
  ask(): void;
}

interface Entry {
  readonly bytes: Buffer;
  readonly mail: number | undefined;
  /** Position at which it was written before a restart of the gateway. */
  readonly before: number | undefined;
  /** Whether all is kept that must be before it may be written. */
  kept: boolean;
}

export interface NewEntry {
  readonly bytes: Buffer;
  /** The mailbox row it settles: then it is written only once released. */
  readonly mail: number | undefined;
  readonly before?: number | undefined;
}

/** `h` of XEP-0198 is an unsigned 32-bit number that wraps, §4. */
const LAPS = 2 ** 32;

/**
 * What is on its way to one client, in order: written once it is kept, and gone once it is settled. Without
 * acknowledgements (XEP-0198) what is written is settled. With them every stanza has a position, counted from 1 on.
 */
export class SessionQueue {
  readonly #bounds: QueueBounds;
  readonly #settled: (mail: number) => void;
  #entries: Entry[] = [];
  #bytes = 0;
  #outlet: QueueOutlet | undefined;
  #acknowledged = false;
  /** Position of the last one the client has taken. */
  #taken = 0;
  /** Of the entries: how many were written on the stream that stands, and on any. */
  #written = 0;
  #reached = 0;
  #asked = false;
  #pumping = false;

  constructor(bounds: QueueBounds, settled: (mail: number) => void) {
    this.#bounds = bounds;
    this.#settled = settled;
  }

  /** Position of the last one the client has taken, and of the last there is. */
  get taken(): number {
    return this.#taken;
  }

  get last(): number {
    return this.#taken + this.#entries.length;
  }

  /** Position of the last entry that was ever written. */
  get sent(): number {
    return this.#taken + this.#reached;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether half of what may wait does: the rest is for what the client asked for. */
  get crowded(): boolean {
    return this.#entries.length >= this.#bounds.stanzas / 2 || this.#bytes >= this.#bounds.bytes / 2;
  }

  /** Mailbox rows that are not settled, in order. */
  get mail(): number[] {
    return this.#entries.flatMap(({ mail }) => (mail === undefined ? [] : [mail]));
  }

  /** Adds a stanza, and returns what releases one that settles mail. Undefined where there is no room for it. */
  add({ bytes, mail, before }: NewEntry): (() => void) | undefined {
    const { stanzas, bytes: most } = this.#bounds;
    if (this.#entries.length >= stanzas || this.#bytes + bytes.length > most) return undefined;
    const entry: Entry = { bytes, mail, before, kept: mail === undefined };
    this.#entries.push(entry);
    this.#bytes += bytes.length;
    if (entry.kept) this.pump();
    return () => this.#release(entry);
  }

  /** From here on the client acknowledges: what was not written yet is counted from 1 on. */
  acknowledge(): void {
    this.#acknowledged = true;
    this.#taken = 0;
    this.#written = 0;
    this.#reached = 0;
  }

  /** Writes to this stream from now on, from the first entry that the client has not taken. */
  attach(outlet: QueueOutlet): void {
    this.#outlet = outlet;
    this.#written = 0;
    this.#asked = false;
    this.pump();
  }

  detach(): void {
    this.#outlet = undefined;
    this.#written = 0;
  }

  /** Writes what may be written. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#writeNext()) if (!this.#acknowledged) this.#take(1);
    } finally {
      this.#pumping = false;
    }
    if (this.#acknowledged && this.#written > 0 && !this.#asked) this.ask();
  }

  /** Asks the client how far it has come, as a sign of life too. */
  ask(): void {
    this.#asked = true;
    this.#outlet?.ask();
  }

  /** The client says how much it has taken. False where it was never sent so much. */
  confirm(h: number): boolean {
    this.#asked = false;
    if (!this.#settleTo(h, this.#written)) return false;
    this.pump();
    return true;
  }

  /** As {@link confirm}, on resumption: what was written on any stream counts. */
  resume(h: number): boolean {
    return this.#settleTo(h, this.#reached);
  }

  /** Takes the client's word for how far it has come, where a restart lost our own count: what lies before is settled. */
  recount(h: number): void {
    const isTaken = ({ before }: Entry): boolean => before !== undefined && modulo(h - before) < LAPS / 2;
    const taken = this.#entries.filter(isTaken);
    this.#entries = this.#entries.filter((entry) => !isTaken(entry));
    this.#taken = h;
    this.#settle(taken);
  }

  /** Position and row of every entry that settles one. */
  *positions(): Generator<{ readonly position: number; readonly mail: number }> {
    for (const [n, { mail }] of this.#entries.entries()) {
      if (mail !== undefined) yield { position: this.#taken + n + 1, mail };
    }
  }

  #release(entry: Entry): void {
    entry.kept = true;
    this.pump();
  }

  #writeNext(): boolean {
    const entry = this.#entries[this.#written];
    if (entry === undefined || !entry.kept || this.#outlet === undefined || this.#outlet.full) return false;
    this.#outlet.stanza(entry.bytes);
    this.#written++;
    this.#reached = Math.max(this.#reached, this.#written);
    return true;
  }

  #settleTo(h: number, most: number): boolean {
    const count = modulo(h - this.#taken);
    if (count > most) return false;
    this.#take(count);
    return true;
  }

  #take(count: number): void {
    const taken = this.#entries.splice(0, count);
    this.#taken += taken.length;
    this.#written = Math.max(0, this.#written - taken.length);
    this.#reached = Math.max(0, this.#reached - taken.length);
    this.#settle(taken);
  }

  #settle(taken: readonly Entry[]): void {
    for (const { bytes } of taken) this.#bytes -= bytes.length;
    for (const { mail } of taken) if (mail !== undefined) this.#settled(mail);
  }
}

function modulo(difference: number): number {
  return ((difference % LAPS) + LAPS) % LAPS;
}
