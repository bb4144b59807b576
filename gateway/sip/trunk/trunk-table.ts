import { Fault } from '../../../policies/fault.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Evidence, TrustVerdict } from '../../bridge/ports.ts';
import type { SipRequest } from '../message/message.ts';
import type { Flow } from '../transport/flow.ts';
import { addressList } from './address-list.ts';
import type { CertificateDemand, DomainCertificate } from './domain-certificate.ts';
import { coversDomain, DomainIndex } from './domain-index.ts';
import { domainOf, senderDomain } from './sender.ts';
import { knownAddresses, type TrunkOptions } from './trunk-options.ts';

/** What is looked at of a connection. */
export type Arrival = Pick<Flow, 'secure' | 'remote' | 'peer' | 'name' | 'opened'>;

/** The parts by which a request is matched to a trunk, in the order in which they are looked at. */
export type Part = 'transport' | 'address' | 'certificate' | 'policy' | 'sender';

/** Why no trunk takes a request. */
export interface TrunkRefusal {
  readonly status: 403;
  /** What the peer is told. */
  readonly text: string;
  readonly reason: ReasonCode;
  /** What the operator is told: the trunk that came nearest, which part of it did not match, and how. */
  readonly nearest: string | undefined;
  readonly unmatched: Part | undefined;
  readonly detail: string;
}

export type Placed<T> =
  | { readonly ok: true; readonly trunk: T }
  | { readonly ok: false; readonly refusal: TrunkRefusal };

export interface TrunkTableOptions {
  readonly certificate: DomainCertificate;
  /** Whether this evidence suffices for this domain: policy decides. */
  trust(domain: string, evidence: readonly Evidence[]): TrustVerdict;
}

interface Mismatch {
  readonly part: Part;
  readonly reason: ReasonCode;
  readonly detail: string;
}

interface Row<T> {
  readonly trunk: T;
  readonly options: TrunkOptions;
  readonly demand: CertificateDemand;
  /** Whose users it may speak for. */
  readonly domains: readonly string[];
  readonly allows: (address: string) => boolean;
}

/** How near a trunk came that failed at this part. */
const NEARNESS: Readonly<Record<Part, number>> = { transport: 0, address: 1, certificate: 2, policy: 3, sender: 3 };

/** Which trunk a connection and what comes on it belong to, and which one leads to a domain. */
export class TrunkTable<T extends { readonly options: TrunkOptions }> {
  readonly #options: TrunkTableOptions;
  #rows: readonly Row<T>[] = [];
  #byDomain = new DomainIndex<Row<T>>();
  #homes: readonly Row<T>[] = [];
  /** Trunks whose certificate may name them by a wildcard. */
  #byWildcard: readonly Row<T>[] = [];

  constructor(options: TrunkTableOptions) {
    this.#options = options;
  }

  /** Throws Fault `config-invalid` where there can be no such trunks. */
  check(trunks: readonly TrunkOptions[]): void {
    const ids = new Set(trunks.map(({ id }) => id));
    if (ids.size < trunks.length) throw new Fault('config-invalid', 'Two SIP trunks have one id.');
    for (const options of trunks) rowOf({ options });
  }

  /** Throws Fault `config-invalid`, with the table as it was. */
  replace(trunks: readonly T[]): void {
    this.check(trunks.map(({ options }) => options));
    const rows = trunks.map(rowOf);
    const byDomain = new DomainIndex<Row<T>>();
    for (const row of rows) {
      if (row.options.kind === 'partner') for (const domain of row.domains) byDomain.add(domain, row);
    }
    this.#rows = rows;
    this.#byDomain = byDomain;
    this.#homes = rows.filter(({ options }) => options.kind === 'home');
    this.#byWildcard = rows.filter(({ options }) => options.kind === 'partner' && options.allowWildcardCertificate);
  }

  /** By a folded domain of a partner, or the name of the home trunk. */
  trunkFor(domain: string): T | undefined {
    const home = this.#homes.find(({ options }) => options.domain === domain);
    return (home ?? this.#byDomain.get(domain)[0])?.trunk;
  }

  /** Whether a home trunk takes connections without TLS from there. */
  admitsInClear(address: string): boolean {
    return this.#homes.some(({ options, allows }) => !options.tls && allows(address));
  }

  /**
   * The trunk that a request belongs to by where it came from and whom it is from; of one with a To tag From is what its
   * dialog began with, and does not count against it. Throws Fault `sip-malformed`.
   */
  place(flow: Arrival, request: SipRequest): Placed<T> {
    const inDialog = request.to.params.has('tag');
    const sender = senderDomain(request);
    const proven: Row<T>[] = [];
    const misses: { readonly row: Row<T>; readonly miss: Mismatch }[] = [];
    for (const row of this.#candidates(flow, sender)) {
      const miss = this.#mismatch(row, flow, sender, inDialog);
      if (miss === undefined) proven.push(row);
      else misses.push({ row, miss });
    }
    const [only] = proven;
    if (only !== undefined) {
      const own = inDialog ? proven.filter(({ domains }) => coversDomain(domains, sender)) : proven;
      return { ok: true, trunk: chosen(own.length > 0 ? own : proven, flow, request, only).trunk };
    }
    return { ok: false, refusal: refusalOf(misses, flow, sender) };
  }

  /** Who is at the other end of a connection of ours, and should be this domain: what speaks against it (RFC 5922 §7.3). */
  judge(peer: Flow['peer'], domain: string): Fault | undefined {
    let fault = new Fault('trunk-unknown', `No trunk leads to ${domain}.`);
    for (const row of this.#rows) {
      if (row.options.domain !== domain || !row.options.tls) continue;
      const miss = this.#unproven(row, peer, domain);
      if (miss === undefined) return undefined;
      fault = new Fault(miss.reason, miss.detail);
    }
    return fault;
  }

  /** Whether who is at the other end of a connection may be sent what is this trunk's: undefined, or why not. */
  objection(trunk: T, flow: Arrival): Mismatch | undefined {
    const row = this.#rows.find((one) => one.trunk === trunk) ?? rowOf(trunk);
    return this.#notTheirs(row, flow, row.options.domain, flow.opened === 'by-us');
  }

  /**
   * The trunks that a request may belong to: those that may speak for its sender, those that the certificate names (or
   * may name by a wildcard), and home. A stranger's request must not cost a look at every trunk.
   */
  #candidates(flow: Arrival, sender: string): Iterable<Row<T>> {
    const rows: Row<T>[] = [];
    const add = (row: Row<T>): void => {
      if (!rows.includes(row)) rows.push(row);
    };
    for (const row of this.#byDomain.get(sender)) add(row);
    for (const identity of flow.peer.identities) for (const row of this.#byDomain.get(identity)) add(row);
    if (rows.length === 0) rows.push(...this.#byWildcard);
    for (const row of this.#homes) if (row.options.tls === flow.secure) add(row);
    return rows;
  }

  #mismatch(row: Row<T>, flow: Arrival, sender: string, inDialog: boolean): Mismatch | undefined {
    const { options, domains } = row;
    const speaks = inDialog || sender === '' || coversDomain(domains, sender) || homeSender(options, flow, sender);
    const itself = speaks && sender !== '' && options.kind === 'partner' && sender !== options.domain;
    const miss = this.#notTheirs(row, flow, options.domain, false);
    // A name of its own speaks for itself; the main domain speaks for them all.
    if (miss?.part === 'certificate' && itself && this.#notTheirs(row, flow, sender, false) === undefined)
      return undefined;
    if (miss !== undefined || speaks) return miss;
    const detail = `The trunk is proven, and the sender is of ${quoted(sender)}, which is none of its domains.`;
    return { part: 'sender', reason: 'sender-not-proven', detail };
  }

  /** Everything but the sender. */
  #notTheirs({ options, demand, allows }: Row<T>, flow: Arrival, domain: string, byUs: boolean): Mismatch | undefined {
    if (flow.secure !== options.tls) {
      const detail = options.tls ? 'The trunk demands TLS.' : 'The trunk is one over TCP, and this is TLS.';
      return { part: 'transport', reason: 'trunk-unknown', detail };
    }
    // Where we connected ourselves, we chose the address.
    if (!byUs && !allows(flow.remote.host)) {
      const detail = `Its connections do not come from ${flow.remote.host}.`;
      return { part: 'address', reason: 'trunk-address-denied', detail };
    }
    const home = options.kind === 'home';
    if (home && (!flow.secure || (!byUs && options.addresses !== undefined && flow.peer.chain.length === 0)))
      return undefined;
    return this.#unproven({ options, demand }, flow.peer, domain);
  }

  #unproven(
    { options, demand }: Pick<Row<T>, 'options' | 'demand'>,
    peer: Flow['peer'],
    domain: string,
  ): Mismatch | undefined {
    const evidence = this.#options.certificate.evidence(domain, peer.chain, demand);
    if (!evidence.holds)
      return { part: 'certificate', reason: evidence.reason, detail: `${domain}: ${evidence.detail}` };
    if (options.kind === 'home') return undefined;
    const verdict = this.#options.trust(domain, [evidence]);
    if (verdict.sufficient) return undefined;
    return {
      part: 'policy',
      reason: verdict.reason,
      detail: `The policy does not take the certificate for ${domain}.`,
    };
  }
}

function rowOf<T extends { readonly options: TrunkOptions }>(trunk: T): Row<T> {
  const { options } = trunk;
  if (options.kind === 'partner' && !options.tls) {
    throw new Fault('config-invalid', `The trunk "${options.id}" of a partner is one over TLS, or none.`);
  }
  const home = options.kind === 'home';
  const addresses = knownAddresses(options);
  return {
    trunk,
    options,
    demand: { wildcards: options.allowWildcardCertificate ?? false, purpose: options.purpose ?? 'sip' },
    domains: home ? options.domains : [options.domain, ...options.domains],
    allows: addresses === undefined ? () => true : addressList(addresses),
  };
}

/** A PBX without domains of its own may say anything, and may call itself by its address. */
function homeSender(options: TrunkOptions, flow: Arrival, sender: string): boolean {
  if (options.kind !== 'home') return false;
  return options.domains.length === 0 || sender.replace(/^\[|\]$/g, '') === flow.remote.host;
}

/** Of several virtual trunks the one that is asked for: by the domain of the Request-URI, as connections are shared (RFC 5923), else by SNI. */
function chosen<T>(rows: readonly Row<T>[], flow: Arrival, request: SipRequest, first: Row<T>): Row<T> {
  if (rows.length === 1) return rows[0] ?? first;
  const asked = [domainOf(request.uri), flow.opened === 'by-peer' ? flow.name : ''];
  for (const name of asked) {
    const named = rows.find(({ options }) => name !== '' && options.localDomain === name);
    if (named !== undefined) return named;
  }
  return rows[0] ?? first;
}

const TEXT: Readonly<Record<Part, string>> = {
  transport: 'No Trunk For This Connection',
  address: 'Address Not Allowed',
  certificate: 'Certificate Not Accepted',
  policy: 'Not Accepted By Policy',
  sender: 'Sender Is Not Of This Trunk',
};

function refusalOf<T>(
  misses: readonly { readonly row: Row<T>; readonly miss: Mismatch }[],
  flow: Arrival,
  sender: string,
): TrunkRefusal {
  const nearness = ({ row, miss }: (typeof misses)[number]): number =>
    NEARNESS[miss.part] * 2 + (sender !== '' && coversDomain(row.domains, sender) ? 1 : 0);
  const [nearest] = misses.toSorted((one, other) => nearness(other) - nearness(one));
  if (nearest === undefined) {
    const names = flow.peer.identities.slice(0, 10).join(', ') || 'nothing';
    const detail = `No trunk is of ${quoted(sender)}, and none is known by ${flow.remote.host} or a certificate for ${names}.`;
    return {
      status: 403,
      text: TEXT.transport,
      reason: 'trunk-unknown',
      nearest: undefined,
      unmatched: undefined,
      detail,
    };
  }
  const { row, miss } = nearest;
  const inClear = !flow.secure && miss.part === 'address';
  const related = miss.part === 'sender' || miss.part === 'policy' || nearness(nearest) % 2 === 1 || inClear;
  return {
    status: 403,
    text: related ? TEXT[miss.part] : TEXT.transport,
    // What a stranger fails at says nothing of the trunk that happens to be nearest.
    reason: related ? miss.reason : 'trunk-unknown',
    nearest: row.options.id,
    unmatched: miss.part,
    detail: miss.detail,
  };
}

const quoted = (domain: string): string => (domain === '' ? 'no domain' : `"${domain.slice(0, 100)}"`);
