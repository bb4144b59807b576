import { isIP } from 'node:net';
import { foldDomain } from '../../policies/address.ts';
import { Fault } from '../../policies/fault.ts';
import type { Answer, LookupOptions, Resolver, SrvRecord } from './resolver.ts';
import { type Security, weakest } from './security.ts';
import { drawOrder } from './srv.ts';

/** Where one server of a domain listens. */
export interface Endpoint {
  /** Folded name, or an IP address. */
  readonly host: string;
  readonly port: number;
  readonly tls: 'direct' | 'starttls';
  /** Of the answer that named the host. */
  readonly security: Security;
  readonly viaSrv: boolean;
}

export interface Location {
  /** Folded. */
  readonly domain: string;
  /** In the order to try, never empty. */
  readonly endpoints: readonly Endpoint[];
  /** The weakest of all answers that led here. */
  readonly security: Security;
}

export interface LocateOptions extends LookupOptions {
  /** Uniform in [0, 1), for the draw of RFC 2782. */
  readonly random: () => number;
  /** Puts one kind before the other (XEP-0368 §3 leaves it to policy); by default they mix. */
  readonly prefer?: Endpoint['tls'] | undefined;
}

const SERVER_PORT = 5269;
/** A domain must not make us knock at every door it names. */
const MAX_ENDPOINTS = 16;

/**
 * Finds the servers of an XMPP domain: RFC 6120 §3.2 with the merged records of XEP-0368.
 *
 * Throws Fault `dns-not-found` (no such domain), `dns-service-refused` (it declares to have no such service),
 * `remote-not-found` (its records name nothing usable), and what the lookups of the resolver throw.
 */
export async function locateXmppServer(resolver: Resolver, domain: string, options: LocateOptions): Promise<Location> {
  const folded = foldDomain(domain);
  if (folded === undefined) throw new Fault('dns-not-found', `${JSON.stringify(domain)} is no domain name.`);
  const literal = folded.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0) return fallback(folded, literal, 'insecure');

  const [direct, starttls] = await settle(
    resolver.srv(`_xmpps-server._tcp.${folded}`, options),
    resolver.srv(`_xmpp-server._tcp.${folded}`, options),
  );
  options.signal?.throwIfAborted();
  const answers = [direct, starttls].filter(isAnswer);
  const security = weakest(...answers.map((answer) => answer.security));
  const offers = [...offersOf(direct, 'direct'), ...offersOf(starttls, 'starttls')];
  if (offers.length > 0) {
    const endpoints = inOrder(offers, options).slice(0, MAX_ENDPOINTS).map(endpointOf);
    return { domain: folded, endpoints, security };
  }
  // No offer for certain only where both have answered; RFC 6120 §3.2.1 needs no more than this one to fall back.
  if (starttls instanceof Fault) throw starttls;
  if (direct instanceof Fault && starttls.records.length > 0) throw direct;
  if (answers.some((answer) => answer.records.length > 0)) throw nothingOffered(folded, answers);
  return fallback(folded, folded, weakest(security, await confirmHost(resolver, folded, options)));
}

interface Offer extends SrvRecord {
  readonly tls: Endpoint['tls'];
  readonly security: Security;
}

function offersOf(answer: Answer<SrvRecord> | Fault, tls: Offer['tls']): Offer[] {
  if (answer instanceof Fault) return [];
  return answer.records
    .filter((record) => record.target !== '.' && record.port > 0)
    .map((record) => ({ ...record, tls, security: answer.security }));
}

function inOrder(offers: readonly Offer[], { prefer, random }: LocateOptions): Offer[] {
  if (prefer === undefined) return drawOrder(offers, random);
  const preferred = offers.filter((offer) => offer.tls === prefer);
  const others = offers.filter((offer) => offer.tls !== prefer);
  return [...drawOrder(preferred, random), ...drawOrder(others, random)];
}

function endpointOf({ target, port, tls, security }: Offer): Endpoint {
  return { host: target, port, tls, security, viaSrv: true };
}

function fallback(domain: string, host: string, security: Security): Location {
  return { domain, endpoints: [{ host, port: SERVER_PORT, tls: 'starttls', security, viaSrv: false }], security };
}

/** SRV records without an offer forbid the fallback; only a `.` says so on purpose (RFC 2782, XEP-0368 §3). */
function nothingOffered(domain: string, answers: readonly Answer<SrvRecord>[]): Fault {
  const declared = answers.some(({ records }) => records.some((record) => record.target === '.'));
  if (declared) return new Fault('dns-service-refused', `${domain} declares that it has no XMPP server.`);
  return new Fault('remote-not-found', `The SRV records of ${domain} name no usable server.`);
}

/** Looks whether the domain itself has an address (RFC 6120 §3.2.2), and how sure that is. */
async function confirmHost(resolver: Resolver, domain: string, options: LookupOptions): Promise<Security> {
  const lookups = await settle(resolver.aaaa(domain, options), resolver.a(domain, options));
  options.signal?.throwIfAborted();
  const answers = lookups.filter(isAnswer);
  const found = answers.filter((answer) => answer.records.length > 0);
  if (found.length > 0) return weakest(...found.map((answer) => answer.security));
  for (const lookup of lookups) if (lookup instanceof Fault) throw lookup;
  throw new Fault('dns-not-found', `DNS knows neither a server nor an address of ${domain}.`);
}

/** Waits for both; a Fault is a result, anything else is thrown. */
async function settle<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A | Fault, B | Fault]> {
  return Promise.all([first.catch(faultOnly), second.catch(faultOnly)]);
}

function isAnswer<R>(one: Answer<R> | Fault): one is Answer<R> {
  return !(one instanceof Fault);
}

function faultOnly(error: unknown): Fault {
  if (error instanceof Fault) return error;
  throw error;
}
