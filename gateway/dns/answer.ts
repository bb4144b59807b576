import type { Answer as WireRecord } from 'dns-packet';
import { Fault } from '../../policies/fault.ts';
import { type Question, type Reply, rcodes } from './message.ts';
import { decodeName, decodeRecord, type QueryType, type RecordTypes } from './records.ts';
import type { Security } from './security.ts';

/** What DNS says to a question. No records and `exists` means the name has none of this type. */
export interface Answer<R> {
  readonly records: readonly R[];
  readonly security: Security;
  /** Seconds it may still be relied on; 0 where it may not be kept. */
  readonly ttl: number;
  /** False where the name does not exist (NXDOMAIN). */
  readonly exists: boolean;
}

/** One reply, read: the end of the search, or the alias under which to go on. */
export interface Finding {
  readonly records: readonly RecordTypes[QueryType][];
  readonly exists: boolean;
  readonly ttl: number;
  /** CNAMEs followed in this reply. */
  readonly aliases: number;
  /** Where the chain leads and the reply does not tell what is there. */
  readonly next: string | undefined;
}

/** CNAMEs on the way to one answer; real chains have two or three. */
export const MAX_ALIASES = 8;

/** RFC 2181 §8: a TTL is a 31-bit number, one beyond is 0. */
const MAX_WIRE_TTL = 0x7fff_ffff;

/**
 * Reads the answer to a question out of a reply: follows its CNAMEs (RFC 1034 §3.6.2), takes the records at their
 * end, and for a negative answer the TTL of the SOA (RFC 2308 §5).
 * @param aliasesLeft how many CNAMEs may still be followed.
 * Throws Fault `dns-malformed`, or `dns-failed` for an error code, a referral, or too many aliases.
 */
export function readAnswer(reply: Reply, question: Question, aliasesLeft: number): Finding {
  if (reply.rcode !== rcodes.noError && reply.rcode !== rcodes.nxDomain) throw refused(reply.rcode, question);
  let name = question.name;
  let aliases = 0;
  let ttl = MAX_WIRE_TTL;
  const live = reply.answers.filter(isInternet);
  const at = (type: string) => live.filter((record) => record.type === type && owner(record) === name);
  for (let [alias] = at('CNAME'); alias?.type === 'CNAME'; [alias] = at('CNAME')) {
    aliases += 1;
    if (aliases > aliasesLeft) throw new Fault('dns-failed', `The aliases of ${question.name} lead nowhere.`);
    ttl = Math.min(ttl, ttlOf(alias));
    name = decodeName(alias.data);
  }
  const found = at(question.type);
  if (found.length > 0) {
    const records = found.map(decodeRecord);
    return { records, exists: true, ttl: Math.min(ttl, ...found.map(ttlOf)), aliases, next: undefined };
  }
  const exists = reply.rcode !== rcodes.nxDomain;
  const soa = reply.authorities.filter(isInternet).find((record) => record.type === 'SOA');
  if (exists && soa === undefined && aliases > 0) return { records: [], exists, ttl, aliases, next: name };
  if (exists && soa === undefined && isReferral(reply)) {
    throw new Fault('dns-failed', `The DNS server refers to others for ${question.name} and does not recurse.`);
  }
  const negative = soa?.type === 'SOA' ? Math.min(ttlOf(soa), soa.data.minimum ?? 0) : 0;
  return { records: [], exists, ttl: Math.min(ttl, negative), aliases, next: undefined };
}

function isReferral(reply: Reply): boolean {
  return !reply.authoritative && reply.authorities.some((record) => record.type === 'NS');
}

function isInternet(record: WireRecord): boolean {
  return 'class' in record && record.class === 'IN';
}

function owner(record: WireRecord): string {
  return record.name.toLowerCase();
}

function ttlOf(record: WireRecord): number {
  const ttl = ('ttl' in record ? record.ttl : undefined) ?? 0;
  return ttl > MAX_WIRE_TTL ? 0 : ttl;
}

function refused(rcode: number, { name, type }: Question): Fault {
  const word =
    Object.entries(rcodes)
      .find(([, code]) => code === rcode)?.[0]
      .toUpperCase() ?? `code ${rcode}`;
  return new Fault('dns-failed', `DNS answers ${word} to ${name} ${type}.`);
}
