import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { Fault } from '../../policies/fault.ts';
import { encodeQuery, type Query, type Question, type Reply, rcodes, readReply } from './message.ts';
import { formatNameServer, type NameServer } from './server.ts';

export interface ExchangeOptions {
  /** A fresh 16-bit query id for every query. */
  readonly randomId: () => number;
  readonly dnssec: boolean;
  /** For everything asked of this server, ms. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Asks one server one question: over UDP, over TCP where the answer is truncated (RFC 7766 §5), without EDNS0 where
 * the server does not know it (RFC 6891 §7). Every query has its own socket, so its own random source port
 * (RFC 5452 §9.2). Throws Fault `dns-timeout`, `dns-failed`, `dns-malformed`, or the reason of the signal.
 */
export async function exchange(server: NameServer, question: Question, options: ExchangeOptions): Promise<Reply> {
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort(new Fault('dns-timeout', `${formatNameServer(server)} did not answer in time.`));
  }, options.timeoutMs);
  const signal = AbortSignal.any([options.signal, deadline.signal]);
  const ask = async (edns: boolean): Promise<Reply> => {
    const query: Query = { question, id: options.randomId(), dnssec: options.dnssec, edns };
    const reply = await overUdp(server, query, signal);
    return reply.truncated ? overTcp(server, { ...query, id: options.randomId() }, signal) : reply;
  };
  try {
    const reply = await ask(true);
    const ednsUnknown = reply.rcode === rcodes.formErr || reply.rcode === rcodes.notImp;
    return ednsUnknown ? await ask(false) : reply;
  } finally {
    clearTimeout(timer);
  }
}

function overUdp(server: NameServer, query: Query, signal: AbortSignal): Promise<Reply> {
  return untilAborted(signal, (resolve, reject) => {
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
    socket.on('error', (cause) => reject(unreachable(server, cause)));
    // A connected socket takes datagrams of that server only, and learns of a closed port at once.
    // Not by a callback: Node would tell it of a missing route in place of the 'error' event.
    socket.once('connect', () => {
      socket.on('message', (datagram) => {
        try {
          const reply = readReply(datagram, query);
          if (reply) resolve(reply);
        } catch (error) {
          reject(error);
        }
      });
      socket.send(encodeQuery(query));
    });
    socket.connect(server.port, server.address);
    return () => socket.close();
  });
}

function overTcp(server: NameServer, query: Query, signal: AbortSignal): Promise<Reply> {
  return untilAborted(signal, (resolve, reject) => {
    const socket = connect({ host: server.address, port: server.port });
    let received: Buffer = Buffer.alloc(0);
    socket.on('error', (cause) => reject(unreachable(server, cause)));
    socket.on('close', () => reject(unreachable(server)));
    socket.on('connect', () => socket.write(lengthPrefixed(encodeQuery(query))));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      try {
        const reply = readReply(received.subarray(2, 2 + received.readUInt16BE(0)), query);
        if (reply === undefined || reply.truncated) throw new Fault('dns-malformed');
        resolve(reply);
      } catch (error) {
        reject(error);
      }
    });
    return () => socket.destroy();
  });
}

/** RFC 1035 §4.2.2. */
function lengthPrefixed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Runs `start` until it settles or the signal aborts, and then what `start` returned, which ends it. */
function untilAborted<T>(
  signal: AbortSignal,
  start: (resolve: (value: T) => void, reject: (reason: unknown) => void) => () => void,
): Promise<T> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  const end = start(resolve, reject);
  return promise.finally(() => {
    signal.removeEventListener('abort', abort);
    end();
  });
}

function unreachable(server: NameServer, cause?: Error): Fault {
  const why = cause === undefined ? 'closed the connection' : `cannot be reached (${cause.message})`;
  return new Fault('dns-failed', `The DNS server ${formatNameServer(server)} ${why}.`, { cause });
}
