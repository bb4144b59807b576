import { type Address, foldDomain, parseAddress } from '../../policies/address.ts';
import { type Direction, judge, type Kind, otherProtocol } from '../../policies/judge.ts';
import type { PartnerPolicy } from '../../policies/partner.ts';
import type { PolicySet } from '../../policies/set.ts';
import { isTelephoneNumber, userOfNumber } from '../../policies/telephone-number.ts';
import { refuse, type Verdict } from '../../policies/verdict.ts';
import type { Party, Trunk } from '../sip/port.ts';
import { publicParty, publicUri, type ReadParty } from './parties.ts';

/** Where a call goes, as its policy allows. */
export interface Route {
  readonly direction: Direction;
  readonly partner: PartnerPolicy;
  readonly local: Address;
  readonly remote: Address;
  readonly out: Trunk;
  /** The Request-URI on the way out. */
  readonly target: string;
  readonly from: Party;
  readonly to: Party;
}

/** Who calls whom, as the leg that came in says. */
export interface Wish {
  readonly kind: Extract<Kind, 'call' | 'transfer'>;
  readonly from: Party;
  readonly target: string;
  /** Whether the call comes from a partner or from the home PBX. */
  readonly trunk: Pick<Trunk, 'kind' | 'domain'>;
}

export type Routing = { readonly route: Route } | { readonly refused: Verdict; readonly partner: string };

export interface RoutingOptions {
  readonly homeDomains: ReadonlySet<string>;
  readonly policies: () => PolicySet;
  /** The trunk of the home PBX, where there is one. */
  readonly homeTrunk: () => Trunk | undefined;
  readonly trunkFor: (partnerDomain: string) => Trunk | undefined;
  readonly read: ReadParty;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** Decides by policy where a call goes; asked before anything rings, and again for each new target. */
export class CallRouting {
  readonly #options: RoutingOptions;

  constructor(options: RoutingOptions) {
    this.#options = options;
  }

  route(wish: Wish): Routing {
    return wish.trunk.kind === 'partner' ? this.#inbound(wish) : this.#outbound(wish);
  }

  /** Whether the policies that hold now still let this partner have calls at all. */
  stands({ remote }: Route): boolean {
    const calls = this.#options.policies().partnerOf(remote.domain)?.calls;
    return calls !== undefined && calls.allow !== 'none';
  }

  #inbound({ kind, from, target, trunk }: Wish): Routing {
    const { read, homeDomains, homeTrunk, policies } = this.#options;
    const remote = read(from.uri, trunk.domain);
    const called = read(target, [...homeDomains][0] ?? '');
    if (remote === undefined || called === undefined) return no('address-malformed', trunk.domain);
    const partner = policies().partnerOf(remote.domain);
    if (partner === undefined) return no('no-partner', remote.domain);
    if (partner !== policies().partnerOf(trunk.domain)) return no('sender-not-proven', trunk.domain);
    if (!homeDomains.has(called.domain)) return no('domain-not-home', partner.name);
    const out = homeTrunk();
    if (out === undefined) return no('calls-unavailable', partner.name);
    const refused = this.#refusal(kind, 'inbound', partner, called, remote);
    if (refused !== undefined) return { refused, partner: partner.name };
    const local = userMeant(partner, called);
    const uri = local === called ? publicUri(target, called.domain) : `sip:${local.local}@${local.domain}`;
    const parties = { target: uri, from: publicParty(from, remote), to: { uri } };
    return { route: { direction: 'inbound', partner, local, remote, out, ...parties } };
  }

  #outbound({ kind, from, target, trunk }: Wish): Routing {
    const { read, homeDomains, trunkFor, policies } = this.#options;
    const caller = read(from.uri, trunk.domain);
    const remote = read(target, '');
    if (caller === undefined || remote === undefined) return no('address-malformed', trunk.domain);
    // A PBX often says its own address where a domain belongs: its users are at the domain it stands for.
    const local = homeDomains.has(caller.domain) ? caller : movedTo(trunk.domain, caller);
    const partner = policies().partnerOf(remote.domain);
    if (partner === undefined) return no('no-partner', remote.domain);
    const refused = this.#refusal(kind, 'outbound', partner, local, remote);
    if (refused !== undefined) return { refused, partner: partner.name };
    const out = trunkFor(remote.domain);
    if (out === undefined) return no('remote-not-found', partner.name);
    const uri = publicUri(target, remote.domain);
    const parties = { target: uri, from: publicParty(from, local), to: { uri } };
    return { route: { direction: 'outbound', partner, local, remote, out, ...parties } };
  }

  #refusal(
    kind: Wish['kind'],
    direction: Direction,
    partner: PartnerPolicy,
    local: Address,
    remote: Address,
  ): Verdict | undefined {
    const verdict =
      otherProtocol(partner, 'sip') ??
      judge(partner, { kind, direction, via: 'sip', local, remote, at: this.#options.now() });
    return verdict.verdict === 'refuse' ? verdict : undefined;
  }
}

/** The local user whom a called number means by the partner's `numbers`; a whole domain keeps the number as its user. */
function userMeant({ numbers }: PartnerPolicy, called: Address): Address {
  const meant = isTelephoneNumber(called.local) ? userOfNumber(numbers, called.local)?.address : undefined;
  if (meant?.kind === 'users') return movedTo(meant.domain, called);
  return meant?.kind === 'address' ? (parseAddress(meant.bare) ?? called) : called;
}

function movedTo(domain: string, { local }: Address): Address {
  const folded = foldDomain(domain) ?? domain;
  return { local, domain: folded, resource: '', bare: `${local}@${folded}` };
}

function no(reason: Verdict['reason'], partner: string): Routing {
  return { refused: refuse(reason), partner };
}
