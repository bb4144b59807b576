import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Evidence, TrustVerdict } from '../../bridge/ports.ts';
import type { SipRequest } from '../message/message.ts';
import { addressList } from '../trunk/address-list.ts';
import { coversDomain } from '../trunk/domain-index.ts';
import { senderDomain } from '../trunk/sender.ts';
import type { TrunkOptions } from '../trunk/trunk-options.ts';
import type { PeersProvenBy } from './proven-by.ts';

/** Where a request came from, as the server says. */
export interface Source {
  readonly address: string;
  /** `tls`, `tcp`, `udp`, `ws`, `wss`. */
  readonly protocol: string;
}

export interface SourceRefusal {
  readonly status: 403;
  readonly text: string;
  readonly reason: ReasonCode;
  /** The trunk that came nearest. */
  readonly nearest: string | undefined;
  readonly detail: string;
}

export type Placed<T> =
  | { readonly ok: true; readonly trunk: T }
  | { readonly ok: false; readonly refusal: SourceRefusal };

interface Row<T> {
  readonly trunk: T;
  readonly options: TrunkOptions;
  readonly domains: readonly string[];
  readonly allows: (address: string) => boolean;
}

const LOOPBACK = ['127.0.0.0/8', '::1'];

/**
 * Which trunk a request belongs to, by the address that it came from and the domain of its sender: all that a drachtio
 * server tells. Somebody else answers for it that these suffice.
 */
export class SenderTable<T extends { readonly options: TrunkOptions }> {
  readonly #provenBy: PeersProvenBy;
  readonly #trust: (domain: string, evidence: readonly Evidence[]) => TrustVerdict;
  #partners: readonly Row<T>[] = [];
  #homes: readonly Row<T>[] = [];

  constructor(
    provenBy: PeersProvenBy,
    trust: (domain: string, evidence: readonly Evidence[]) => TrustVerdict,
    trunks: readonly T[],
  ) {
    this.#provenBy = provenBy;
    this.#trust = trust;
    this.replace(trunks);
  }

  /** Throws Fault `config-invalid`, with the table as it was. */
  replace(trunks: readonly T[]): void {
    const rows = trunks.map((trunk) => this.#rowOf(trunk));
    this.#partners = rows.filter(({ options }) => options.kind === 'partner');
    this.#homes = rows.filter(({ options }) => options.kind === 'home');
  }

  /** By a folded domain of a partner, or the name of the home trunk. */
  trunkFor(domain: string): T | undefined {
    const home = this.#homes.find(({ options }) => options.domain === domain);
    const exact = this.#partners.find(({ domains }) => domains.includes(domain));
    return (home ?? exact ?? this.#partners.find(({ domains }) => coversDomain(domains, domain)))?.trunk;
  }

  /** Whether a request within a dialog of a trunk may have come from there. */
  isFrom(trunk: T, source: Source): boolean {
    const row = [...this.#partners, ...this.#homes].find((one) => one.trunk === trunk);
    return row?.allows(source.address) === true && this.#carries(row, source);
  }

  /** Throws Fault `sip-malformed`. */
  place(source: Source, request: SipRequest): Placed<T> {
    const sender = senderDomain(request);
    const there = this.#partners.filter(({ allows }) => allows(source.address));
    // An address that partners come from is never that of the home: who speaks for it may say anything.
    if (there.length === 0) return this.#placeHome(source, sender);
    const own = there.find(({ domains }) => sender !== '' && coversDomain(domains, sender));
    if (own === undefined) {
      const detail = `What comes from ${source.address} is not of ${quoted(sender)}.`;
      return refused('sender-not-proven', 'Sender Is Not Of This Trunk', detail, there[0]);
    }
    if (!this.#carries(own, source)) {
      const detail = `Over ${source.protocol} nobody is known by his address.`;
      return refused('trunk-unknown', 'No Trunk For This Connection', detail, own);
    }
    const { domain } = own.options;
    const verdict = this.#trust(domain, [this.#evidence(domain, source)]);
    if (verdict.sufficient) return { ok: true, trunk: own.trunk };
    return refused(verdict.reason, 'Not Accepted By Policy', `The policy does not take it for ${domain}.`, own);
  }

  #placeHome(source: Source, sender: string): Placed<T> {
    const home = this.#homes.find(({ allows }) => allows(source.address));
    if (home === undefined) {
      const known = this.#partners.find(({ domains }) => coversDomain(domains, sender));
      const detail = `${source.address} is no address of a trunk; the sender is of ${quoted(sender)}.`;
      if (known === undefined) return refused('trunk-unknown', 'No Trunk For This Connection', detail, undefined);
      return refused('trunk-address-denied', 'Address Not Allowed', detail, known);
    }
    if (!this.#carries(home, source)) {
      const detail = `The PBX does not come over ${source.protocol}.`;
      return refused('trunk-unknown', 'No Trunk For This Connection', detail, home);
    }
    const { domains } = home;
    const itself = sender === '' || domains.length === 0 || sender === source.address || coversDomain(domains, sender);
    if (itself) return { ok: true, trunk: home.trunk };
    const detail = `The PBX speaks for none of ${quoted(sender)}.`;
    return refused('sender-not-proven', 'Sender Is Not Of This Trunk', detail, home);
  }

  /** An address that a datagram claims is nobody's; a partner without an edge comes over TLS. */
  #carries({ options }: Row<T>, { protocol }: Source): boolean {
    if (this.#provenBy === 'edge') return protocol === 'tcp' || protocol === 'tls';
    return options.tls ? protocol === 'tls' : protocol === 'tcp' || protocol === 'tls';
  }

  #evidence(domain: string, { address }: Source): Evidence {
    const who = this.#provenBy === 'edge' ? 'the TLS edge' : 'the administrator';
    return {
      proof: 'certificate',
      domain,
      holds: true,
      reason: 'allowed',
      detail: `${who} answers for ${address} (edges.sip.drachtio.peersProvenBy)`,
    };
  }

  #rowOf(trunk: T): Row<T> {
    const { options } = trunk;
    const home = options.kind === 'home';
    const addresses = this.#provenBy === 'edge' ? LOOPBACK : (options.addresses ?? (home ? LOOPBACK : []));
    return {
      trunk,
      options,
      domains: home ? options.domains : [options.domain, ...options.domains],
      allows: addressList(addresses),
    };
  }
}

function refused<T>(reason: ReasonCode, text: string, detail: string, nearest: Row<T> | undefined): Placed<T> {
  return { ok: false, refusal: { status: 403, text, reason, nearest: nearest?.options.id, detail } };
}

const quoted = (domain: string): string => (domain === '' ? 'no domain' : `"${domain.slice(0, 100)}"`);
