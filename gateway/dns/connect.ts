import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '../../policies/fault.ts';
import { AddressRace, type Connection, type RaceOptions } from './address-race.ts';
import type { Endpoint } from './locate.ts';
import type { Resolver } from './resolver.ts';

export type { Connection } from './address-race.ts';

export interface ConnectOptions extends RaceOptions {
  readonly signal?: AbortSignal | undefined;
  /** For name lookup and all addresses together, ms. */
  readonly timeoutMs: number;
}

/** How long IPv4 addresses wait for the IPv6 ones, ms (RFC 8305 §3). */
const RESOLUTION_DELAY_MS = 50;

/**
 * Connects to an endpoint over TCP: A and AAAA asked at once, then their addresses raced (RFC 8305). A host that is
 * an IP address is not looked up.
 *
 * Throws Fault `remote-unreachable` (names what was tried), `remote-not-found` (the host has no address), what the
 * lookups throw, or the reason of the signal.
 */
export async function connectEndpoint(
  resolver: Resolver,
  endpoint: Pick<Endpoint, 'host' | 'port'>,
  options: ConnectOptions,
): Promise<Connection> {
  options.signal?.throwIfAborted();
  const race = new AddressRace(endpoint, options);
  const lookups = new AbortController();
  const abort = () => race.fail(options.signal?.reason);
  options.signal?.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => race.expire(), options.timeoutMs);
  enterAddresses(race, resolver, endpoint.host, lookups.signal).catch((error) => race.fail(error));
  try {
    return await race.outcome;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', abort);
    lookups.abort();
  }
}

async function enterAddresses(race: AddressRace, resolver: Resolver, host: string, signal: AbortSignal): Promise<void> {
  if (isIP(host) !== 0) {
    race.enter([host]);
    return race.closeEntries();
  }
  const ipv6 = resolver.aaaa(host, { signal }).then(({ records }) => race.enter(records));
  const ipv4 = resolver.a(host, { signal }).then(async ({ records }) => {
    await Promise.race([Promise.allSettled([ipv6]), delay(RESOLUTION_DELAY_MS, undefined, { signal })]);
    race.enter(records);
  });
  const failures = (await Promise.allSettled([ipv6, ipv4])).filter((one) => one.status === 'rejected');
  const faults = failures.map(({ reason }) => reason).filter((reason) => reason instanceof Fault);
  race.closeEntries(faults[0]);
}
