import { foldDomain } from '../../../policies/address.ts';
import type { Fault } from '../../../policies/fault.ts';
import type { Clock } from './clock.ts';
import type { Connection } from './connection.ts';
import type { Peer } from './flow.ts';

/** Whether a peer has proven to be a domain: what speaks against it, else undefined. */
export type Judge = (peer: Peer, domain: string) => Fault | undefined;

/** How long a chain that held is not looked at again, ms: certificates expire and trust changes, though not by the second. */
const HOLDS_MS = 60_000;
/** Domains that one peer is remembered to have proven. */
const DOMAINS = 16;

/** Judges connections for domains, and remembers for a minute whom it believed. */
export class PeerJudge {
  readonly #judge: Judge;
  readonly #clock: Clock;
  readonly #proven = new WeakMap<Connection, Map<string, number>>();

  constructor(judge: Judge, clock: Clock) {
    this.#judge = judge;
    this.#clock = clock;
  }

  /** What speaks against a peer that is not yet a connection. */
  against(peer: Peer, domain: string): Fault | undefined {
    return this.#judge(peer, domain);
  }

  /**
   * Whether requests to `domain` may go over a connection (RFC 5923 §8.2): its identities cover the domain, or it was
   * opened to it; and its proof holds.
   */
  trusts(connection: Connection, domain: string): boolean {
    const ours = connection.opened === 'by-us' && sameDomain(connection.name, domain);
    if (!ours && !connection.peer.identities.some((identity) => sameDomain(identity, domain))) return false;
    const proven = this.#proven.get(connection) ?? new Map<string, number>();
    const now = this.#clock.now();
    if ((proven.get(domain) ?? 0) > now) return true;
    if (this.#judge(connection.peer, domain) !== undefined) return false;
    if (proven.size >= DOMAINS) proven.clear();
    this.#proven.set(connection, proven.set(domain, now + HOLDS_MS));
    return true;
  }
}

function sameDomain(one: string, other: string): boolean {
  const folded = foldDomain(one);
  return folded !== undefined && folded === foldDomain(other);
}
