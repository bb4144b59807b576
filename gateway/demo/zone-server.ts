import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket as TcpSocket } from 'node:net';
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  decode,
  encode,
  type Question,
  RECURSION_DESIRED,
  streamEncode,
  TRUNCATED_RESPONSE,
} from 'dns-packet';

/** A record as `dns-packet` writes it, e.g. `{ name: 'a.example', type: 'A', data: '127.0.11.1' }`. */
export type ZoneRecord = Extract<Answer, { data: unknown }>;

export interface ZoneServerOptions {
  /** The domain it is the authority of, e.g. `example`; whatever is asked outside of it is refused. */
  readonly zone: string;
  readonly records: readonly ZoneRecord[];
  /** An IP address. */
  readonly address: string;
}

const rcodes = { noError: 0, formErr: 1, nxDomain: 3, notImp: 4, refused: 5 } as const;
type Rcode = (typeof rcodes)[keyof typeof rcodes];

/** s. A record changes with the next start of the demo at the earliest. */
const TTL = 60;
/** RFC 1035 §4.2.1. */
const PLAIN_UDP_BYTES = 512;
/** Avoids fragments on any path (DNS Flag Day 2020). */
const EDNS_UDP_BYTES = 1232;
const OPCODE = 0x7800;
/** Two gateways ask, and few ever over TCP. */
const TCP_CONNECTIONS = 32;
const TCP_IDLE_MS = 10_000;
/** A port that is free for one transport may be taken for the other. */
const TRIES = 20;

/** An authoritative DNS server for one small zone, over UDP and TCP on one free port. */
export class ZoneServer {
  readonly #zone: string;
  readonly #records: readonly ZoneRecord[];
  readonly #address: string;
  readonly #tcp = createServer((socket) => this.#serve(socket));
  readonly #connections = new Set<TcpSocket>();
  #udp: UdpSocket | undefined;

  constructor({ zone, records, address }: ZoneServerOptions) {
    this.#zone = fold(zone);
    this.#records = records;
    this.#address = address;
    this.#tcp.maxConnections = TCP_CONNECTIONS;
  }

  /** Rejects with what the system says where no port can be had. */
  async start(): Promise<void> {
    for (let left = TRIES; ; left -= 1) {
      this.#tcp.listen(0, this.#address);
      await once(this.#tcp, 'listening');
      try {
        this.#udp = await bound(this.port, this.#address);
        break;
      } catch (error) {
        this.#tcp.close();
        await once(this.#tcp, 'close');
        if (left === 0) throw error;
      }
    }
    const udp = this.#udp;
    // A client that is gone is told by an error here; it asks again or it does not.
    udp.on('error', () => undefined);
    udp.on('message', (query, { address, port }) => {
      const answer = this.#answer(query, 'udp');
      if (answer) udp.send(encode(answer), port, address);
    });
  }

  /** Where it listens, once started. */
  get port(): number {
    return (this.#tcp.address() as AddressInfo).port;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    const udp = this.#udp;
    this.#udp = undefined;
    if (udp === undefined) return;
    udp.close();
    this.#tcp.close();
    await Promise.all([once(udp, 'close'), once(this.#tcp, 'close')]);
  }

  #serve(socket: TcpSocket): void {
    let unread: Buffer = Buffer.alloc(0);
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => undefined);
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk]);
      while (unread.length >= 2 && unread.length >= 2 + unread.readUInt16BE(0)) {
        const end = 2 + unread.readUInt16BE(0);
        const answer = this.#answer(unread.subarray(2, end), 'tcp');
        if (answer) socket.write(streamEncode(answer));
        unread = unread.subarray(end);
      }
    });
  }

  #answer(bytes: Buffer, via: 'udp' | 'tcp'): Answered | undefined {
    const query = readQuery(bytes);
    if (query === undefined) return undefined;
    const [question, ...more] = query.questions ?? [];
    if (question === undefined || more.length > 0) return answerTo(query, rcodes.formErr);
    if (((query.flags ?? 0) & OPCODE) !== 0) return answerTo(query, rcodes.notImp);
    if (!within(fold(question.name), this.#zone)) return answerTo(query, rcodes.refused);
    const answer = this.#lookUp(query, question);
    if (via === 'tcp' || encode(answer).length <= largestUdp(query)) return answer;
    return { ...answer, flags: answer.flags | TRUNCATED_RESPONSE, answers: [], authorities: [] };
  }

  #lookUp(query: DecodedPacket, { name, type }: Question): Answered {
    const owner = fold(name);
    const answers = this.#records
      .filter((record) => fold(record.name) === owner && record.type === type)
      // RFC 4343 §4: what was asked comes back in the case it was asked in.
      .map((record) => ({ ttl: TTL, ...record, name }));
    if (answers.length > 0) return { ...answerTo(query, rcodes.noError), answers };
    // RFC 8020: a name exists where it or a name below it has records.
    const exists = owner === this.#zone || this.#records.some((record) => within(fold(record.name), owner));
    const authorities = [startOfAuthority(this.#zone)];
    return { ...answerTo(query, exists ? rcodes.noError : rcodes.nxDomain), authorities };
  }
}

async function bound(port: number, address: string): Promise<UdpSocket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.bind(port, address);
  try {
    await once(socket, 'listening');
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** What cannot be read gets no answer: it came from nobody who speaks DNS. */
function readQuery(bytes: Buffer): DecodedPacket | undefined {
  try {
    const packet = decode(bytes);
    return packet.flag_qr ? undefined : packet;
  } catch {
    return undefined;
  }
}

interface Answered {
  readonly type: 'response';
  readonly id: number;
  readonly flags: number;
  readonly questions: Question[];
  readonly answers: Answer[];
  readonly authorities: Answer[];
  readonly additionals: Answer[];
}

function answerTo(query: DecodedPacket, rcode: Rcode): Answered {
  const opt = optOf(query);
  return {
    type: 'response',
    id: query.id ?? 0,
    flags: rcode | AUTHORITATIVE_ANSWER | ((query.flags ?? 0) & (RECURSION_DESIRED | OPCODE)),
    questions: query.questions ?? [],
    answers: [],
    authorities: [],
    // RFC 6891 §6.1.1: an OPT is answered with an OPT.
    additionals: opt ? [{ ...opt, udpPayloadSize: EDNS_UDP_BYTES, extendedRcode: 0, flags: 0, options: [] }] : [],
  };
}

function optOf(query: DecodedPacket) {
  return query.additionals?.find((record) => record.type === 'OPT');
}

function largestUdp(query: DecodedPacket): number {
  return Math.min(EDNS_UDP_BYTES, Math.max(PLAIN_UDP_BYTES, optOf(query)?.udpPayloadSize ?? 0));
}

/** RFC 2308 §3: says how long the answer "there is none" holds. */
function startOfAuthority(zone: string): Answer {
  const data = { mname: `ns.${zone}`, rname: `hostmaster.${zone}`, serial: 1, refresh: 3600, retry: 600 };
  return { name: zone, type: 'SOA', ttl: TTL, data: { ...data, expire: 86_400, minimum: TTL } };
}

function within(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

function fold(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}
