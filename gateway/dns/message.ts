import {
  AUTHENTIC_DATA,
  type DecodedPacket,
  DNSSEC_OK,
  decode,
  encode,
  RECURSION_DESIRED,
  type Answer as WireRecord,
} from 'dns-packet';
import { Fault } from '../../policies/fault.ts';
import type { QueryType } from './records.ts';

export interface Question {
  /** Folded name. */
  readonly name: string;
  readonly type: QueryType;
}

/** One query as it goes out, and what an answer to it must repeat. */
export interface Query {
  readonly question: Question;
  readonly id: number;
  /** Ask for DNSSEC material and the AD bit. */
  readonly dnssec: boolean;
  readonly edns: boolean;
}

export interface Reply {
  /** With the upper bits of EDNS0, RFC 6895 §2.3. */
  readonly rcode: number;
  readonly truncated: boolean;
  /** AD bit. */
  readonly authentic: boolean;
  /** AA bit. */
  readonly authoritative: boolean;
  readonly answers: readonly WireRecord[];
  readonly authorities: readonly WireRecord[];
  /** Size of the message. */
  readonly bytes: number;
}

export const rcodes = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5 } as const;

const HEADER_BYTES = 12;
/** Avoids fragments on any path (DNS Flag Day 2020). */
const UDP_PAYLOAD_BYTES = 1232;
/** No set we look for has so many; decoding stays cheap where a server, or who feeds it, wants it dear. */
const MAX_RECORDS = 1000;

export function encodeQuery({ question, id, dnssec, edns }: Query): Buffer {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: UDP_PAYLOAD_BYTES,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: dnssec ? DNSSEC_OK : 0,
    flag_do: dnssec,
    options: [],
  } as const satisfies WireRecord;
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED | (dnssec ? AUTHENTIC_DATA : 0),
    questions: [{ name: question.name, type: question.type, class: 'IN' }],
    additionals: edns ? [{ ...opt, options: [] }] : [],
  });
}

/**
 * Reads a message as the answer to a query. Returns undefined where it answers something else (wrong id or question,
 * RFC 5452 §9.1), which the caller ignores. Throws Fault `dns-malformed` where it is meant for us and cannot be read.
 */
export function readReply(message: Buffer, query: Query): Reply | undefined {
  if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== query.id) return undefined;
  const packet = decodePacket(message);
  const rcode = (packet.flags ?? 0) & 0xf;
  if (!packet.flag_qr || !repeatsQuestion(packet, rcode, query.question)) return undefined;
  const extended = packet.additionals?.find((record) => record.type === 'OPT')?.extendedRcode ?? 0;
  return {
    rcode: (extended << 4) | rcode,
    truncated: packet.flag_tc,
    authentic: packet.flag_ad,
    authoritative: packet.flag_aa,
    answers: packet.answers ?? [],
    authorities: packet.authorities ?? [],
    bytes: message.length,
  };
}

function decodePacket(message: Buffer): DecodedPacket {
  const records = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10);
  if (records > MAX_RECORDS) throw new Fault('dns-malformed', `A DNS answer claims ${records} records.`);
  try {
    return decode(message);
  } catch (cause) {
    throw new Fault('dns-malformed', undefined, { cause });
  }
}

function repeatsQuestion({ questions = [] }: DecodedPacket, rcode: number, asked: Question): boolean {
  // Servers that cannot read EDNS0 may refuse without repeating the question (RFC 6891 §7).
  if (questions.length === 0) return rcode === rcodes.formErr || rcode === rcodes.notImp;
  const [question] = questions;
  return (
    questions.length === 1 &&
    question?.type === asked.type &&
    question.class === 'IN' &&
    question.name.toLowerCase() === asked.name
  );
}
