import type { ReasonCode } from '../policies/reasons.ts';
import type { Bridge } from './bridge/bridge.ts';
import type { Edge, Protocol, Taken } from './bridge/ports.ts';
import type { Stanza } from './bridge/stanza.ts';
import type { ProtocolChoice } from './protocol-choice.ts';

/** What is told to partners over SIP. */
export interface MessageEdge extends Edge {
  answers(error: Stanza): boolean;
  /** Whether an error stanza is the answer to what came in here. */
  awaits(stanza: Stanza): boolean;
}

export interface RoutedEdgeParts {
  readonly xmpp: Edge;
  readonly sip: MessageEdge;
  readonly choice: Pick<ProtocolChoice, 'known' | 'find'>;
  /** What the policy of a partner domain says of its protocol, and what holds where DNS does not tell. */
  policyOf(partnerDomain: string): { readonly speaks: Protocol | 'auto'; readonly otherwise: Protocol };
  readonly host: {
    roomForPartner(homeDomain: string, partnerDomain: string): void;
    undeliverable(stanza: Stanza, reason: ReasonCode): void;
  };
}

/** Stanzas that nothing keeps and that wait until DNS has told their way, for all domains together. */
const WAITING = 1_000;
/** Domains that DNS is asked about at once: a wildcard has any number, and past this many nobody is asked for a way. */
const UNDECIDED = 1_000;

interface Undecided {
  readonly stanzas: { readonly home: string; readonly stanza: Stanza }[];
  /** Home domains that have more for the partner. */
  readonly homes: Set<string>;
}

/** Both edges as one: what is bound for a partner takes the edge whose protocol it speaks. */
export class RoutedEdge implements Edge {
  readonly carries: ReadonlySet<Protocol> = new Set(['xmpp', 'sip']);
  readonly #parts: RoutedEdgeParts;
  /** By partner domain, while DNS is asked. */
  readonly #undecided = new Map<string, Undecided>();
  #waiting = 0;

  constructor(parts: RoutedEdgeParts) {
    this.#parts = parts;
  }

  send(home: string, partner: string, stanza: Stanza): Taken {
    const { sip, policyOf, choice } = this.#parts;
    // Who asked by SIP is answered by SIP, whatever DNS says of the domain.
    if (stanza.type === 'error' && sip.awaits(stanza)) return sip.send(home, partner, stanza);
    const { speaks, otherwise } = policyOf(partner);
    const protocol = speaks === 'auto' ? choice.known(partner) : speaks;
    if (protocol !== undefined && !this.#undecided.has(partner))
      return this.#parts[protocol].send(home, partner, stanza);
    return this.#wait(home, partner, stanza, otherwise);
  }

  room(home: string, partner: string): void {
    this.#parts.xmpp.room(home, partner);
    this.#parts.sip.room(home, partner);
  }

  answers(error: Stanza): boolean {
    return this.#parts.sip.answers(error);
  }

  arrived(home: string, partner: string, message: Stanza): void {
    this.#parts.sip.arrived?.(home, partner, message);
  }

  #wait(home: string, partner: string, stanza: Stanza, otherwise: Protocol): Taken {
    let undecided = this.#undecided.get(partner);
    if (undecided === undefined) {
      if (this.#undecided.size >= UNDECIDED) return this.#parts[otherwise].send(home, partner, stanza);
      undecided = { stanzas: [], homes: new Set() };
      this.#undecided.set(partner, undecided);
      void this.#parts.choice.find(partner, otherwise).then((protocol) => this.#decided(partner, protocol));
    }
    if (stanza.kept !== undefined) {
      undecided.homes.add(home);
      return 'none';
    }
    if (this.#waiting >= WAITING) this.#parts.host.undeliverable(stanza, 'queue-full');
    else {
      undecided.stanzas.push({ home, stanza });
      this.#waiting++;
    }
    return 'more';
  }

  #decided(partner: string, protocol: Protocol): void {
    const { stanzas, homes } = this.#undecided.get(partner) ?? { stanzas: [], homes: new Set<string>() };
    this.#undecided.delete(partner);
    this.#waiting -= stanzas.length;
    for (const { home, stanza } of stanzas) this.#parts[protocol].send(home, partner, stanza);
    for (const home of homes) this.#parts.host.roomForPartner(home, partner);
  }
}

/** Both edges of a gateway, led by its policies as they are in force. */
export function routedEdge({
  bridge,
  ...parts
}: Pick<RoutedEdgeParts, 'xmpp' | 'sip' | 'choice'> & { readonly bridge: Bridge }): RoutedEdge {
  return new RoutedEdge({
    ...parts,
    host: bridge,
    policyOf: (domain) => {
      const { speaks = 'auto', trunk } = bridge.policies.partnerOf(domain) ?? {};
      // Whose trunk is written down is a SIP domain, where DNS says nothing of either.
      return { speaks, otherwise: trunk === undefined ? 'xmpp' : 'sip' };
    },
  });
}
