import { parse } from 'ltx';
import { type EdgeContext, newStreamId } from './edge-context.ts';
import { ns } from './namespaces.ts';
import type { ProvenDomains } from './proven-domains.ts';
import { readCount } from './stanza-count.ts';
import type { StanzaOutlet } from './stanza-outlet.ts';
import type { ScannedElement } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import { StreamManagement } from './stream-management.ts';
import { RESUMPTION_MS, type Suspension } from './suspension.ts';
import { escapeAttribute } from './xml.ts';
import type { XmlStream } from './xml-stream.ts';

/** The two domains that a stream is between. */
export interface Pair {
  readonly home: string;
  readonly partner: string;
}

/** The stream that management is spoken on, as the receiver sees it. */
export interface ManagedStream {
  readonly xml: XmlStream;
  /** What was proven on it first, undefined before. */
  readonly pair: Pair | undefined;
  readonly proven: Pick<ProvenDomains, 'has'>;
  readonly outlet: Pick<StanzaOutlet, 'receipts'>;
}

export interface ManagementReceiverOwner {
  /** The peer has confirmed something. */
  room(): void;
  /** The former streams of sessions. */
  readonly resumable: {
    giveUp(pair: Pair): void;
    drop(id: string): void;
    settle(id: string, h: number): void;
  };
  /** The stream stands for this session now. */
  begun(id: string): void;
  /** The peer knows that its session was resumed: stanzas of ours may follow. */
  resumed(): void;
}

/** How long a session of a stream that stands is remembered after it was last kept, ms: a restart takes seconds. */
const STANDING_MS = 3_600_000;

/** XEP-0198 on a stream that was opened to us: enables it, and resumes sessions of streams that broke. */
export class ManagementReceiver {
  management: StreamManagement | undefined;
  readonly #context: EdgeContext;
  readonly #stream: ManagedStream;
  readonly #owner: ManagementReceiverOwner;
  /** The session that may be resumed, '' where none may. */
  #id = '';
  #pair: Pair | undefined;
  #keptUntil = 0;

  constructor(context: EdgeContext, stream: ManagedStream, owner: ManagementReceiverOwner) {
    this.#context = context;
    this.#stream = stream;
    this.#owner = owner;
  }

  get id(): string {
    return this.#id;
  }

  /** Whether the peer has asked to resume and not been answered. */
  get resuming(): boolean {
    return this.management !== undefined && this.#stream.outlet.receipts !== this.management;
  }

  get pair(): Pair | undefined {
    return this.#pair;
  }

  /** Takes one element of the namespace. Throws a {@link StreamFault}. */
  element(element: ScannedElement): void {
    const { pair } = this.#stream;
    const begins = element.name === 'enable' || element.name === 'resume';
    if (begins && (pair === undefined || this.management !== undefined)) this.#refuse('unexpected-request');
    else if (pair !== undefined && element.name === 'enable') this.#enable(pair, element);
    else if (pair !== undefined && element.name === 'resume') this.#resume(pair, element);
    else if (this.management !== undefined) this.management.element(element);
    else throw new StreamFault('policy-violation', 'stream-protocol', `<${element.name}/> before it was enabled.`);
  }

  /** Remembers the session for longer, where it is time; to be called now and then. */
  lookAfter(now: number): void {
    if (this.#id !== '' && this.#keptUntil - now < STANDING_MS / 2) this.#keep(now + STANDING_MS);
  }

  /** The stream is gone. What it leaves unconfirmed is for a stream that resumes it, where one may still come. */
  ended(): Suspension | undefined {
    const { management } = this;
    if (management === undefined || this.#id === '') return undefined;
    const { xml } = this.#stream;
    if (xml.peerClosedFirst) this.#context.streamSessions.forget(this.#id);
    else this.#keep(Date.now() + RESUMPTION_MS, management.handled);
    return xml.broken && management.pending > 0 ? management.suspend() : undefined;
  }

  #enable(pair: Pair, { bytes }: ScannedElement): void {
    this.#owner.resumable.giveUp(pair);
    const { resume } = parse(bytes.toString()).attrs;
    const { outlet, xml } = this.#stream;
    outlet.receipts?.flush();
    if (resume === 'true' || resume === '1') this.#id = newStreamId();
    const session = this.#id === '' ? '' : ` id='${this.#id}' resume='true' max='${RESUMPTION_MS / 1000}'`;
    xml.send(`<enabled xmlns='${ns.sm}'${session}/>`);
    this.#manage(pair, { sent: 0, handled: 0 });
    outlet.receipts = this.management;
  }

  #resume(pair: Pair, { bytes }: ScannedElement): void {
    const { proven, outlet, xml } = this.#stream;
    const { streamSessions, host } = this.#context;
    const { previd = '' } = parse(bytes.toString()).attrs as { previd?: string };
    const sent = readCount(bytes);
    const known = streamSessions.find(previd);
    if (sent === undefined || known?.home !== pair.home || !proven.has(known.partner)) {
      this.#refuse('item-not-found');
      return;
    }
    this.#owner.resumable.drop(previd);
    const { handled } = streamSessions.find(previd) ?? known;
    this.#owner.resumable.settle(previd, sent);
    if (known.expires <= Date.now()) {
      this.#refuse('item-not-found', handled);
      return;
    }
    this.#id = previd;
    this.#manage({ home: known.home, partner: known.partner }, { sent, handled });
    host.whenKept(() => {
      outlet.receipts?.flush();
      xml.send(`<resumed xmlns='${ns.sm}' previd='${escapeAttribute(previd)}' h='${handled}'/>`);
      outlet.receipts = this.management;
      if (xml.open) this.#owner.resumed();
    });
  }

  #manage(pair: Pair, from: { sent: number; handled: number }): void {
    const { outlet, xml } = this.#stream;
    const { host, streamSessions } = this.#context;
    const id = this.#id;
    this.#pair = pair;
    this.management = new StreamManagement(xml, {
      host,
      from,
      before: outlet.receipts,
      room: () => this.#owner.room(),
      touched: id === '' ? undefined : () => streamSessions.touched(id),
    });
    if (id === '') return;
    this.#keep(Date.now() + STANDING_MS);
    this.#owner.begun(id);
  }

  /** `handled`: the last count, where the stream is gone. */
  #keep(until: number, handled?: number): void {
    const { management } = this;
    if (this.#pair === undefined || management === undefined) return;
    this.#keptUntil = until;
    const count = handled === undefined ? () => management.handled : () => handled;
    this.#context.streamSessions.keep({ id: this.#id, ...this.#pair, expires: until }, count);
  }

  /** A count acknowledges, also in a refusal: what it counts is kept first. */
  #refuse(condition: string, h?: number): void {
    const count = h === undefined ? '' : ` h='${h}'`;
    const failed = `<failed xmlns='${ns.sm}'${count}><${condition} xmlns='${ns.stanzaErrors}'/></failed>`;
    const say = (): void => this.#stream.xml.answer(failed);
    if (h === undefined) say();
    else this.#context.host.whenKept(say);
  }
}
