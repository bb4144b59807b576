import type { ReasonCode } from '../../../policies/reasons.ts';
import { type ProofKind, suffices } from '../../../policies/trust.ts';
import type { Journal, JournalEvent, JournalFields } from '../../bridge/journal.ts';
import type { EdgeHost, Evidence, TrustVerdict } from '../../bridge/ports.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import { ns } from '../namespaces.ts';
import { Watch } from './watch.fixture.ts';

export interface Entry extends JournalFields {
  readonly event: JournalEvent;
}

/** A journal to read in. */
export class RecordingJournal implements Journal {
  readonly entries: Entry[] = [];
  readonly #watch: Watch;

  constructor(watch: Watch) {
    this.#watch = watch;
  }

  note(event: JournalEvent, fields: JournalFields): void {
    this.entries.push({ ...fields, event });
    this.#watch.changed();
  }

  refuse(event: JournalEvent, reason: ReasonCode, fields: JournalFields): void {
    this.note(event, { ...fields, reason });
  }

  /** The entries with these facts. */
  of(facts: Partial<Entry>): Entry[] {
    return this.entries.filter((entry) => Object.entries(facts).every(([fact, value]) => entry[fact] === value));
  }

  /** Waits for so many entries with these facts, and returns the last of them. */
  seen(facts: Partial<Entry>, count = 1): Promise<Entry> {
    return this.#watch.until(() => this.of(facts)[count - 1]);
  }
}

/** The middle as an edge sees it: takes everything, keeps it, and trusts what the test says. */
export class RecordingHost implements EdgeHost {
  readonly watch = new Watch();
  readonly homes: Set<string>;
  /** Proofs of which any suffices, by partner domain; a domain without an entry has what stands under `*`. */
  readonly accepts = new Map<string, readonly ProofKind[]>();
  readonly received: { partner: string; home: string; stanza: Stanza }[] = [];
  readonly bounced: { stanza: Stanza; reason: ReasonCode }[] = [];
  /** `home partner`, as the edge names them. */
  readonly rooms: string[] = [];
  /** Whether the middle takes more. */
  roomy = true;
  /** Streams of one domain. */
  streams = Number.POSITIVE_INFINITY;
  readonly admitted = new Map<string, number>();
  /** Pings from domain to domain, which a home server would answer. */
  readonly pings: Stanza[] = [];
  /** Takes the answer to a ping, where pings are to be answered. */
  answer: ((home: string, partner: string, stanza: Stanza) => void) | undefined;

  constructor(homes: readonly string[], accepts: readonly ProofKind[]) {
    this.homes = new Set(homes);
    this.accepts.set('*', accepts);
  }

  isHome(domain: string): boolean {
    return this.homes.has(domain);
  }

  trust(domain: string, evidence: readonly Evidence[]): TrustVerdict {
    const methods = this.accepts.get(domain) ?? this.accepts.get('*') ?? [];
    if (methods.length === 0 || this.isHome(domain)) return { sufficient: false, reason: 'no-partner' };
    const held = new Set(evidence.filter((one) => one.holds && one.domain === domain).map(({ proof }) => proof));
    const sufficient = suffices({ mode: 'any', methods, rule: undefined }, held);
    return { sufficient, reason: sufficient ? 'allowed' : 'trust-insufficient' };
  }

  admitStream(domain: string): TrustVerdict {
    const open = this.admitted.get(domain) ?? 0;
    if (open >= this.streams) return { sufficient: false, reason: 'connections-full' };
    this.admitted.set(domain, open + 1);
    return { sufficient: true, reason: 'allowed' };
  }

  samePartner(one: string, other: string): boolean {
    return one === other;
  }

  releaseStream(domain: string): void {
    this.admitted.set(domain, (this.admitted.get(domain) ?? 0) - 1);
    this.watch.changed();
  }

  readonly deliveredStanzas: Stanza[] = [];
  readonly returnedStanzas: Stanza[] = [];
  readonly unreachable: string[] = [];
  /** Set to hold back who waits until all is kept; called in its place. */
  keeping: ((then: () => void) => void) | undefined;

  delivered(stanza: Stanza): void {
    this.deliveredStanzas.push(stanza);
    this.watch.changed();
  }

  returned(stanzas: readonly Stanza[]): void {
    this.returnedStanzas.push(...stanzas);
    this.watch.changed();
  }

  whenKept(then: () => void): void {
    if (this.keeping === undefined) then();
    else this.keeping(then);
  }

  partnerUnreachable(home: string, partner: string, reason: ReasonCode): void {
    this.unreachable.push(`${home} ${partner} ${reason}`);
    this.watch.changed();
  }

  answered(partner: string, home: string, error: Stanza): void {
    this.received.push({ partner, home, stanza: error });
  }

  inbound(partner: string, home: string, stanza: Stanza): boolean {
    if (isPing(stanza)) {
      this.pings.push(stanza);
      this.answer?.(home, partner, pongFor(stanza));
    } else this.received.push({ partner, home, stanza });
    this.watch.changed();
    return this.roomy;
  }

  undeliverable(stanza: Stanza, reason: ReasonCode): void {
    this.bounced.push({ stanza, reason });
    this.watch.changed();
  }

  roomForPartner(home: string, partner: string): void {
    this.rooms.push(`${home} ${partner}`);
    this.watch.changed();
  }

  /** Waits until so many stanzas have come; their ids, in order. */
  ids(count: number): Promise<string[]> {
    return this.watch.until(() => this.received.length >= count && this.received.map(({ stanza }) => stanza.id));
  }

  /** Waits until so many stanzas have come back; `id: reason`, in order. */
  bounces(count: number): Promise<string[]> {
    return this.watch.until(
      () => this.bounced.length >= count && this.bounced.map(({ stanza, reason }) => `${stanza.id}: ${reason}`),
    );
  }
}

function isPing({ name, type, to, childNamespace }: Stanza): boolean {
  return name === 'iq' && type === 'get' && !to.includes('@') && childNamespace === ns.ping;
}

function pongFor({ from, to, id }: Stanza): Stanza {
  const bytes = Buffer.from(`<iq type='result' id='${id}' from='${to}' to='${from}'/>`);
  return { name: 'iq', from: to, to: from, type: 'result', id, childNamespace: '', childName: '', children: 1, bytes };
}

/** A message whose id and body are the same. */
export function message(from: string, to: string, id: string): Stanza {
  return {
    name: 'message',
    from,
    to,
    type: 'chat',
    id,
    childNamespace: '',
    childName: 'body',
    children: 1,
    bytes: Buffer.from(`<message from='${from}' to='${to}' type='chat' id='${id}'><body>${id}</body></message>`),
  };
}

/** `1`, `2`, … up to `count`. */
export const numbers = (count: number, from = 1): string[] => Array.from({ length: count }, (_, n) => String(from + n));
