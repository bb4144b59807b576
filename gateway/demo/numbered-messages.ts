import type { Element } from 'ltx';
import type { DemoClient } from './client.ts';

/** Numbered messages of one user to another, and what became of each. */
export class NumberedMessages {
  readonly from: DemoClient;
  readonly to: DemoClient;
  readonly #name: string;
  #sent = 0;
  /** By number, how often it was received. */
  readonly #received = new Map<number, number>();
  /** By number, the condition of the error that came back. */
  readonly #bounced = new Map<number, string>();
  #overtaken = 0;
  #highest = 0;
  readonly #ignore: readonly (() => void)[];
  #look: () => void = () => undefined;

  /** Ids begin with `name`, which no other messages' may. */
  constructor(name: string, from: DemoClient, to: DemoClient) {
    this.#name = name;
    this.from = from;
    this.to = to;
    this.#ignore = [
      to.received.listen((stanza) => this.#arrived(stanza)),
      from.received.listen((stanza) => this.#cameBack(stanza)),
    ];
  }

  get sent(): number {
    return this.#sent;
  }

  get received(): number {
    return this.#received.size;
  }

  get bounced(): number {
    return this.#bounced.size;
  }

  /** Neither received nor bounced. */
  get lost(): number {
    return this.#sent - new Set([...this.#received.keys(), ...this.#bounced.keys()]).size;
  }

  /** Received more than once. */
  get twice(): number {
    return [...this.#received.values()].filter((times) => times > 1).length;
  }

  /** Received and bounced: nobody could tell any more that it had arrived, and its sender was told so. */
  get doubted(): number {
    return [...this.#received.keys()].filter((number) => this.#bounced.has(number)).length;
  }

  /** Received behind one that was sent later. */
  get overtaken(): number {
    return this.#overtaken;
  }

  /** The conditions of the errors that came back, each once. */
  get conditions(): readonly string[] {
    return [...new Set(this.#bounced.values())];
  }

  send(): void {
    this.#sent += 1;
    this.from.say(this.to.bareJid, `${this.#name} ${this.#sent}`, `${this.#name}-${this.#sent}`);
  }

  /** Resolves when `holds`, looked at with every message. Rejects when `signal` aborts. */
  async until(what: string, holds: () => boolean, signal: AbortSignal): Promise<void> {
    if (holds()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = (): void => reject(new Error(`${what} did not come: ${this}`));
    signal.addEventListener('abort', abort, { once: true });
    this.#look = () => {
      if (holds()) resolve();
    };
    try {
      if (signal.aborted) abort();
      await promise;
    } finally {
      this.#look = () => undefined;
      signal.removeEventListener('abort', abort);
    }
  }

  toString(): string {
    const [from, to] = [this.from, this.to].map(({ bareJid }) => bareJid.split('@', 1)[0]);
    const { sent, received, bounced, doubted, lost, twice, overtaken } = this;
    const inDoubt = doubted > 0 ? ` (${doubted} in doubt, and received)` : '';
    const rest = [
      bounced > 0 ? `${bounced} bounced with ${this.conditions.join(' or ')}${inDoubt}` : '',
      lost > 0 ? `${lost} LOST` : '',
      twice > 0 ? `${twice} TWICE` : '',
      overtaken > 0 ? `${overtaken} OVERTAKEN` : '',
    ].filter((text) => text !== '');
    return [`${from} → ${to} ${sent} sent, ${received} received`, ...rest].join(', ');
  }

  close(): void {
    for (const ignore of this.#ignore) ignore();
  }

  #arrived({ name, attrs }: Element): void {
    const number = this.#numberOf(attrs.id);
    if (name !== 'message' || number === undefined || attrs.type === 'error') return;
    this.#received.set(number, (this.#received.get(number) ?? 0) + 1);
    if (number < this.#highest) this.#overtaken += 1;
    this.#highest = Math.max(this.#highest, number);
    this.#look();
  }

  #cameBack(stanza: Element): void {
    const number = this.#numberOf(stanza.attrs.id);
    if (stanza.name !== 'message' || number === undefined || stanza.attrs.type !== 'error') return;
    const [condition] = stanza.getChild('error')?.getChildElements() ?? [];
    this.#bounced.set(number, condition?.name ?? 'no condition');
    this.#look();
  }

  #numberOf(id: string | undefined): number | undefined {
    const number = id?.startsWith(`${this.#name}-`) ? Number(id.slice(this.#name.length + 1)) : Number.NaN;
    return Number.isInteger(number) ? number : undefined;
  }
}
