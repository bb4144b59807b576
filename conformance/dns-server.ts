import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, isIPv4, isIPv6, type Socket as TcpSocket } from 'node:net';
import {
  type Answer,
  AUTHENTIC_DATA,
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  DNSSEC_OK,
  decode,
  encode,
  type Question,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from 'dns-packet';

/** A record as `dns-packet` writes it, e.g. `{ name: 'a.example', type: 'A', data: '127.0.11.1' }`; TTL 60 s by default. */
export type ZoneRecord = Extract<Answer, { data: unknown }>;

export type Transport = 'udp' | 'tcp';

export interface Asked {
  /** Lower case. */
  readonly name: string;
  readonly type: string;
  readonly via: Transport;
}

/**
 * What the server does instead of answering well. `truncate` acts over UDP only; `no-edns` refuses queries with an
 * OPT record; `forge-…` sends a forged NXDOMAIN ahead of the true answer; `raw` is sent as it is, with the id of the
 * query put into it where `echoId` is set.
 */
export type Misbehaviour =
  | 'drop'
  | 'truncate'
  | 'formerr'
  | 'servfail'
  | 'nxdomain'
  | 'notimp'
  | 'refused'
  | 'no-edns'
  | 'forge-id'
  | 'forge-question'
  | 'forge-source'
  | { readonly raw: Buffer; readonly echoId?: boolean };

export type Whim = (asked: Asked) => Misbehaviour | undefined;

export interface DnsServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free one, the same for UDP and TCP. */
  readonly port?: number;
  /** Whether an answer holds the whole CNAME chain, as a recursive server's does. Default true. */
  readonly followAliases?: boolean;
}

const RCODES = { noerror: 0, formerr: 1, servfail: 2, nxdomain: 3, notimp: 4, refused: 5 } as const;
type Rcode = keyof typeof RCODES;

const DEFAULT_TTL = 60;
const SOA_TTL = 30;
/** RFC 1035 §4.2.1. */
const PLAIN_UDP_BYTES = 512;
const MAX_ALIASES = 8;
/** The memory of what was asked, for tests to look at. */
const MAX_ASKED = 10_000;
const TCP_IDLE_MS = 10_000;

/**
 * A DNS server for one machine: answers from plain records over UDP and TCP as an authoritative and recursive server
 * in one would, so that libunbound and Erlang's resolver are content with it; and misbehaves on demand.
 * A name spelt as an IPv4 address has that address.
 */
export class DnsServer {
  /** Sets the AD bit for who asks for it, as if everything had been validated. */
  authenticated = false;
  /** Decides per query whether to misbehave. */
  whim: Whim | undefined;

  readonly #host: string;
  readonly #wantedPort: number;
  readonly #followAliases: boolean;
  readonly #tcp = createServer((socket) => this.#serveTcp(socket));
  readonly #connections = new Set<TcpSocket>();
  readonly #asked: Asked[] = [];
  #udp: UdpSocket | undefined;
  #records: ZoneRecord[];

  constructor(records: readonly ZoneRecord[] = [], options: DnsServerOptions = {}) {
    this.#records = [...records];
    this.#host = options.host ?? '127.0.0.1';
    this.#wantedPort = options.port ?? 0;
    this.#followAliases = options.followAliases ?? true;
  }

  /** Listens on one port for both transports; where the free port of one is taken for the other, tries another. */
  async start(): Promise<this> {
    for (let left = this.#wantedPort === 0 ? 20 : 0; ; left -= 1) {
      this.#tcp.listen(this.#wantedPort, this.#host);
      await once(this.#tcp, 'listening');
      try {
        await this.#bindUdp(this.port);
        return this;
      } catch (error) {
        this.#tcp.close();
        await once(this.#tcp, 'close');
        if (left <= 0) throw error;
      }
    }
  }

  get port(): number {
    return (this.#tcp.address() as AddressInfo).port;
  }

  /** As a resolver wants it: `ip:port`. */
  get address(): string {
    return isIPv6(this.#host) ? `[${this.#host}]:${this.port}` : `${this.#host}:${this.port}`;
  }

  /** Puts these records in place of all records. */
  replace(records: readonly ZoneRecord[]): void {
    this.#records = [...records];
  }

  add(...records: readonly ZoneRecord[]): void {
    this.#records.push(...records);
  }

  /** Removes the records of a name, of one type or of all. */
  remove(name: string, type?: string): void {
    const owner = fold(name);
    this.#records = this.#records.filter(
      (record) => fold(record.name) !== owner || (type !== undefined && record.type !== type),
    );
  }

  /** The last 10 000 queries, oldest first. */
  get asked(): readonly Asked[] {
    return this.#asked;
  }

  /** How many of them were for this name and type. */
  count(name: string, type?: string): number {
    const owner = fold(name);
    return this.#asked.filter((one) => one.name === owner && (type === undefined || one.type === type)).length;
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    if (this.#udp) {
      const closed = once(this.#udp, 'close');
      this.#udp.close();
      this.#udp = undefined;
      await closed;
    }
    if (!this.#tcp.listening) return;
    this.#tcp.close();
    await once(this.#tcp, 'close');
  }

  async #bindUdp(port: number): Promise<void> {
    const socket = createSocket(isIPv6(this.#host) ? 'udp6' : 'udp4');
    socket.bind(port, this.#host);
    try {
      await once(socket, 'listening');
    } catch (error) {
      socket.close();
      throw error;
    }
    socket.on('error', () => {});
    socket.on('message', (query, { address, port: to }) => {
      for (const { message, stranger } of this.#respond(query, 'udp')) {
        if (stranger) sendFromElsewhere(message, to, address);
        else socket.send(message, to, address, () => {});
      }
    });
    this.#udp = socket;
  }

  #serveTcp(socket: TcpSocket): void {
    let received: Buffer = Buffer.alloc(0);
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => {});
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        for (const { message } of this.#respond(received.subarray(2, end), 'tcp')) {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(message.length);
          socket.write(Buffer.concat([length, message]));
        }
        received = received.subarray(end);
      }
    });
  }

  #respond(bytes: Buffer, via: Transport): { message: Buffer; stranger?: boolean }[] {
    const query = readQuery(bytes);
    if (query === undefined) return [];
    const [question] = query.questions ?? [];
    if (question === undefined || query.questions?.length !== 1) return [{ message: write(query, 'formerr', {}) }];
    const asked = { name: fold(question.name), type: question.type, via };
    this.#asked.push(asked);
    if (this.#asked.length > MAX_ASKED) this.#asked.shift();
    if ((query.flags ?? 0) & 0x7800) return [{ message: write(query, 'notimp', {}) }];
    const whim = this.whim?.(asked);
    if (whim === undefined) return [{ message: this.#answer(query, question, via) }];
    return this.#misbehave(whim, query, question, via);
  }

  #misbehave(whim: Misbehaviour, query: DecodedPacket, question: Question, via: Transport) {
    const good = { message: this.#answer(query, question, via) };
    const forged = (changed: Partial<DecodedPacket>) => write({ ...query, ...changed }, 'nxdomain', {});
    if (typeof whim === 'object') {
      const raw = Buffer.from(whim.raw);
      if (whim.echoId && raw.length >= 2) raw.writeUInt16BE(query.id ?? 0);
      return [{ message: raw }];
    }
    switch (whim) {
      case 'drop':
        return [];
      case 'truncate':
        return via === 'udp' ? [{ message: write(query, 'noerror', { truncated: true }) }] : [good];
      case 'no-edns':
        return optOf(query) ? [{ message: write({ ...query, additionals: [] }, 'formerr', {}) }] : [good];
      case 'forge-id':
        return [{ message: forged({ id: ((query.id ?? 0) + 1) & 0xffff }) }, good];
      case 'forge-question':
        return [{ message: forged({ questions: [{ ...question, name: `x.${question.name}` }] }) }, good];
      case 'forge-source':
        return [{ message: forged({}), stranger: true }, good];
      default:
        return [{ message: write(query, whim, {}) }];
    }
  }

  #answer(query: DecodedPacket, question: Question, via: Transport): Buffer {
    const { answers, last } = this.#chain(question);
    const found = answers.some((record) => record.type === question.type || question.type === ANY);
    const elsewhere = !found && answers.length > 0 && !this.#followAliases;
    const authorities = found || elsewhere ? [] : [soa(last)];
    const rcode: Rcode = found || elsewhere || this.#exists(last) ? 'noerror' : 'nxdomain';
    const message = write(query, rcode, { answers, authorities, authenticated: this.authenticated });
    const limit = Math.max(PLAIN_UDP_BYTES, optOf(query)?.udpPayloadSize ?? 0);
    return via === 'udp' && message.length > limit ? write(query, 'noerror', { truncated: true }) : message;
  }

  /** The records that answer, aliases first, and the name the chain ends at. */
  #chain(question: Question): { answers: ZoneRecord[]; last: string } {
    const answers: ZoneRecord[] = [];
    let last = question.name;
    for (let aliases = 0; aliases <= MAX_ALIASES; aliases += 1) {
      const here = this.#at(last);
      const found = here.filter((record) => record.type === question.type || question.type === ANY);
      // RFC 4343 §4: what was asked comes back in the case it was asked in.
      answers.push(...found.map((record) => ({ ...record, name: last })));
      const alias = here.find((record) => record.type === 'CNAME');
      if (found.length > 0 || alias?.type !== 'CNAME') break;
      answers.push({ ...alias, name: last });
      last = alias.data;
      if (!this.#followAliases) break;
    }
    return { answers, last };
  }

  #at(name: string): ZoneRecord[] {
    const owner = fold(name);
    if (isIPv4(owner)) return [{ name, type: 'A', data: owner }];
    return this.#records.filter((record) => fold(record.name) === owner);
  }

  /** A name exists where it or a name below it has records (RFC 8020). */
  #exists(name: string): boolean {
    const owner = fold(name);
    if (owner === '' || isIPv4(owner)) return true;
    return this.#records.some((record) => fold(record.name) === owner || fold(record.name).endsWith(`.${owner}`));
  }
}

/** `dns-packet` knows the type and its typings do not. */
const ANY = 'ANY' as Question['type'];

function fold(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
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

function optOf(query: DecodedPacket) {
  return query.additionals?.find((record) => record.type === 'OPT');
}

/** RFC 2308 §3: the zone of the name is taken to be its last two labels. */
function soa(name: string): Answer {
  const zone = fold(name).split('.').slice(-2).join('.') || '.';
  const data = {
    mname: `ns.${zone}`,
    rname: `hostmaster.${zone}`,
    serial: 1,
    refresh: 3600,
    retry: 600,
    expire: 86_400,
  };
  return { name: zone, type: 'SOA', ttl: SOA_TTL, data: { ...data, minimum: SOA_TTL } };
}

interface Content {
  readonly answers?: readonly ZoneRecord[];
  readonly authorities?: readonly Answer[];
  readonly truncated?: boolean;
  readonly authenticated?: boolean;
}

function write(query: DecodedPacket, rcode: Rcode, content: Content): Buffer {
  const opt = optOf(query);
  const secured = content.authenticated && (query.flag_ad || opt?.flag_do);
  return encode({
    type: 'response',
    id: query.id ?? 0,
    flags:
      RCODES[rcode] |
      RECURSION_AVAILABLE |
      AUTHORITATIVE_ANSWER |
      ((query.flags ?? 0) & (RECURSION_DESIRED | 0x7800)) |
      (content.truncated ? TRUNCATED_RESPONSE : 0) |
      (secured ? AUTHENTIC_DATA : 0),
    questions: query.questions ?? [],
    answers: (content.answers ?? []).map((record) => ({ ttl: DEFAULT_TTL, ...record })),
    authorities: [...(content.authorities ?? [])],
    // RFC 6891 §6.1.1: an OPT is answered with an OPT.
    additionals: opt
      ? [
          {
            ...opt,
            udpPayloadSize: 1232,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: opt.flag_do ? DNSSEC_OK : 0,
            options: [],
          },
        ]
      : [],
  });
}

function sendFromElsewhere(message: Buffer, port: number, address: string): void {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  socket.send(message, port, address, () => socket.close());
}
