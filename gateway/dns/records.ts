import { isIPv4, isIPv6 } from 'node:net';
import type { Answer as WireRecord } from 'dns-packet';
import { foldDomain } from '../../policies/address.ts';
import { Fault } from '../../policies/fault.ts';

/** RFC 2782. `target` is a folded name without root dot, or `.` for "no such service here". */
export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

/** RFC 6698 §2.1: what a certificate or key of the service must match. */
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly data: Buffer;
}

/** RFC 3403 §4.1. `replacement` is a folded name, or `.` where `regexp` is used. */
export interface NaptrRecord {
  readonly order: number;
  readonly preference: number;
  readonly flags: string;
  readonly services: string;
  readonly regexp: string;
  readonly replacement: string;
}

/** RFC 1035 §3.3.14: the character-strings of one record, read as UTF-8. */
export interface TxtRecord {
  readonly strings: readonly string[];
}

/** What the records of a type decode to; A and AAAA are the address in text. */
export interface RecordTypes {
  readonly A: string;
  readonly AAAA: string;
  readonly SRV: SrvRecord;
  readonly TLSA: TlsaRecord;
  readonly NAPTR: NaptrRecord;
  readonly TXT: TxtRecord;
}

export type QueryType = keyof RecordTypes;

/** Decodes one record of the type asked for. Throws Fault `dns-malformed`. */
export function decodeRecord(record: WireRecord): RecordTypes[QueryType] {
  switch (record.type) {
    case 'A':
      return isIPv4(record.data) ? record.data : malformed(record);
    case 'AAAA':
      return isIPv6(record.data) ? record.data : malformed(record);
    case 'SRV': {
      const { priority = 0, weight = 0, port, target } = record.data;
      return { priority, weight, port, target: decodeName(target) };
    }
    case 'TLSA': {
      const { usage, selector, matchingType, certificate } = record.data;
      if (certificate.length === 0) return malformed(record);
      return { usage, selector, matchingType, data: Buffer.from(certificate) };
    }
    case 'NAPTR': {
      const { order, preference, flags, services, regexp, replacement } = record.data;
      return { order, preference, flags, services, regexp, replacement: decodeName(replacement) };
    }
    case 'TXT':
      return { strings: [record.data].flat().map((part) => part.toString()) };
    default:
      return malformed(record);
  }
}

/** A name out of an answer, folded so that it can be compared and asked for; `.` stays. Throws Fault `dns-malformed`. */
export function decodeName(text: string): string {
  if (text === '.') return text;
  const name = foldDomain(text);
  if (name === undefined) throw new Fault('dns-malformed', `A DNS answer holds the name ${JSON.stringify(text)}.`);
  return name;
}

/** True for what can be asked: a folded name that is no bracketed IPv6 address. */
export function isQueryable(name: string | undefined): name is string {
  return name !== undefined && !name.startsWith('[');
}

function malformed(record: WireRecord): never {
  throw new Fault('dns-malformed', `A DNS answer holds a malformed ${record.type} record.`);
}
