import type { NaptrRecord } from './records.ts';

/** A service that a domain offers, and the name under which its SRV records stand. */
export interface NaptrService {
  /** Upper case, e.g. `SIPS+D2T`. */
  readonly service: string;
  /** Folded. */
  readonly name: string;
}

/**
 * The services among `wanted` that NAPTR records lead to, best first: by order, then preference (RFC 3403 §4.1); only
 * terminal records with an SRV name, flag `S` and no regular expression, as RFC 3263 §4.1 demands. What is of a worse
 * order than the best usable one is left out.
 */
export function servicesOf(records: readonly NaptrRecord[], wanted: readonly string[]): NaptrService[] {
  const usable = records
    .filter(({ flags, regexp, replacement }) => flags.toUpperCase() === 'S' && regexp === '' && replacement !== '.')
    .map((record) => ({ ...record, service: record.services.toUpperCase() }))
    .filter(({ service }) => wanted.includes(service))
    .sort((one, other) => one.order - other.order || one.preference - other.preference);
  const best = usable[0]?.order;
  return usable
    .filter(({ order }) => order === best)
    .map(({ service, replacement }) => ({ service, name: replacement }));
}
