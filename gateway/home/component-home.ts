import { Fault } from '../../policies/fault.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import type { Journal } from '../bridge/journal.ts';
import type { Home, HomeHost, Taken } from '../bridge/ports.ts';
import type { Stanza } from '../bridge/stanza.ts';
import { OutboundPath, type PathLimits } from '../xmpp/path.ts';
import type { Left } from '../xmpp/receipts.ts';
import { PeerStreamFault } from '../xmpp/stream-error.ts';
import { type ComponentOptions, ComponentStream } from './component-stream.ts';

export interface ComponentHomeOptions extends Omit<ComponentOptions, 'domain'> {
  /** Partner domains that have a link from the start; those under a wildcard get theirs with their first stanza. */
  readonly domains: readonly string[];
  readonly queue: PathLimits;
  /** Links for domains under a wildcard, which the partner chooses; {@link LINKS_ON_DEMAND} where absent. */
  readonly linksOnDemand?: number;
}

export interface ComponentHomeParts {
  readonly host: HomeHost;
  readonly journal: Journal;
  readonly options: ComponentHomeOptions;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

interface Link {
  readonly path: OutboundPath;
  /** Whether a policy names the domain itself, so that its link is always kept up. */
  named: boolean;
  stream: ComponentStream | undefined;
  up: boolean;
}

/** Links for partner domains that policies name; each is a connection to the home server. */
const LINKS = 5_000;
/** As many as a home server bears beside the others: past them, the one goes that was used least lately. */
const LINKS_ON_DEMAND = 500;
const ROUND_MS = 10_000;
/** How long the home server is given to take what was written before we stop, and then to close, ms. */
const FLUSH_MS = 5_000;

/** The home side over component links: one a partner domain, so that order holds and no partner delays another. */
export class ComponentHome implements Home {
  readonly #parts: ComponentHomeParts;
  readonly #links = new Map<string, Link>();
  #round: NodeJS.Timeout | undefined;
  #closed = false;
  #closing: Promise<void> | undefined;
  #changed: (() => void) | undefined;

  constructor(parts: ComponentHomeParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#round = setInterval(() => {
      for (const [domain, { path, stream, named }] of this.#links) {
        stream?.lookAfter(Date.now());
        if (!named && path.idle) this.#links.delete(domain);
      }
    }, ROUND_MS);
    this.expect(this.#parts.options.domains);
  }

  /**
   * Keeps links for these partner domains, and no longer for others: at the start, and when policies change. What waits
   * for a domain that is no partner's any more comes back to its senders.
   */
  expect(domains: readonly string[]): void {
    const named = new Set(domains);
    for (const [domain, link] of this.#links) {
      if (!link.named || named.has(domain)) continue;
      this.#drop(domain, new Fault('no-partner', 'No policy names this domain any more.'));
    }
    for (const domain of named) {
      const link = this.#link(domain, true);
      if (link === undefined) continue;
      link.named = true;
      link.path.persist(true);
    }
  }

  /** Which links stand, by partner domain; for metrics. */
  get links(): ReadonlyMap<string, boolean> {
    return new Map([...this.#links].map(([domain, { up }]) => [domain, up]));
  }

  get queued(): number {
    let total = 0;
    for (const { path, stream } of this.#links.values()) total += path.queued + (stream?.unconfirmed ?? 0);
    return total;
  }

  deliver(partner: string, stanza: Stanza): Taken {
    const link = this.#link(partner, false);
    // An error is the last word on what it answers: where the queue has no room, it overtakes rather than be lost.
    const overtakes = stanza.type === 'error' && stanza.kept === undefined && link?.path.full;
    if (overtakes && link.stream?.overtake(stanza)) return 'enough';
    if (link !== undefined) return link.path.send(stanza);
    if (this.#closed && stanza.kept !== undefined) return 'none';
    this.#parts.host.undeliverable(stanza, 'home-unavailable');
    return 'more';
  }

  room(partner: string): void {
    this.#links.get(partner)?.stream?.resume();
  }

  /** Gives the home server time to take what is on its way, then closes; what is left comes back to its senders. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#round);
    await this.#until(() => this.queued === 0);
    this.#closed = true;
    const links = [...this.#links.values()];
    for (const { path } of links) path.close();
    for (const { stream } of links) stream?.close(new Fault('shutting-down'));
    await this.#until(() => links.every(({ stream }) => stream === undefined));
  }

  /** Resolves when this holds, or when it has taken too long; looked at whenever a link took something or ended. */
  #until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const limit = setTimeout(resolve, FLUSH_MS);
      this.#changed = () => {
        if (!holds()) return;
        clearTimeout(limit);
        resolve();
      };
      this.#changed();
    });
  }

  #link(domain: string, named: boolean): Link | undefined {
    const known = this.#links.get(domain);
    if (known?.named === false) {
      this.#links.delete(domain);
      this.#links.set(domain, known);
    }
    if (known !== undefined || this.#closed) return known;
    if (!this.#hasRoom(named)) return undefined;
    const { host, journal, options, random } = this.#parts;
    const path = new OutboundPath(
      options.homeDomain,
      domain,
      {
        carrier: () => this.#connect(domain),
        undeliverable: (stanza, reason) => host.undeliverable(stanza, reason),
        returned: (stanzas) => host.returned(stanzas),
        room: () => host.roomForHome(domain),
        refused: (reason) => host.homeUnreachable(domain, reason),
        unreachable: (fault, retryMs) => this.#lost(domain, fault, retryMs),
        attached: () => {
          journal.note('home-linked', { partner: domain, home: options.homeDomain });
        },
        random,
      },
      { ...options.queue, persistent: named, expired: 'home-unavailable' },
    );
    const link: Link = { path, named, stream: undefined, up: false };
    this.#links.set(domain, link);
    return link;
  }

  /** Whether there may be another link. One that was asked for on demand, and by now nobody needs, makes room for it. */
  #hasRoom(named: boolean): boolean {
    let alike = 0;
    let spare: string | undefined;
    for (const [domain, link] of this.#links) {
      if (link.named !== named) continue;
      alike++;
      const needed = !link.path.quiet || (link.stream?.unconfirmed ?? 0) > 0;
      if (!named && !needed) spare ??= domain;
    }
    const { linksOnDemand = LINKS_ON_DEMAND } = this.#parts.options;
    if (alike < (named ? LINKS : linksOnDemand)) return true;
    if (spare === undefined) return false;
    this.#drop(spare, new Fault('home-unavailable', 'Another domain needs the link.'));
    return true;
  }

  #drop(domain: string, fault: Fault): void {
    const link = this.#links.get(domain);
    this.#links.delete(domain);
    link?.path.close(fault.code);
    link?.stream?.close(fault);
  }

  async #connect(domain: string): Promise<ComponentStream> {
    const { host, options } = this.#parts;
    const link = this.#links.get(domain);
    if (link === undefined || this.#closed) throw new Fault('shutting-down');
    const stream = new ComponentStream(
      { ...options, domain },
      {
        stanza: (stanza) => host.outbound(domain, stanza),
        room: () => {
          link.path.pump();
          this.#changed?.();
        },
        delivered: (stanza) => host.delivered(stanza),
        closed: (closed, fault, left) => this.#ended(link, closed, fault, left),
      },
    );
    link.stream = stream;
    try {
      await stream.negotiate();
    } catch (error) {
      throw new Fault(refused(error) ? 'home-refused' : 'home-unavailable', (error as Error).message, { cause: error });
    }
    link.up = true;
    return stream;
  }

  #ended(link: Link, stream: ComponentStream, fault: Fault | undefined, left: Left): void {
    if (link.up && !this.#closed) this.#lost(link.path.partner, fault, undefined);
    if (link.stream === stream) {
      link.stream = undefined;
      link.up = false;
    }
    link.path.lost(stream, left);
    this.#changed?.();
  }

  #lost(domain: string, fault: Fault | undefined, retryMs: number | undefined): void {
    const { journal, options } = this.#parts;
    const reason: ReasonCode = fault?.code ?? 'home-unavailable';
    journal.refuse('home-lost', reason, {
      partner: domain,
      home: options.homeDomain,
      address: `${options.host}:${options.port}`,
      detail: fault?.message ?? 'The home server closed the link.',
      retryMs,
    });
  }
}

/** Stream errors by which a home server says no: the secret is another, the component is missing, or its link stands. */
const REFUSALS: readonly string[] = ['not-authorized', 'host-unknown', 'conflict'];

function refused(error: unknown): boolean {
  return error instanceof PeerStreamFault && REFUSALS.includes(error.condition);
}
