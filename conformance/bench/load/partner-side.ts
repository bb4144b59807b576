import { once } from 'node:events';
import { connect, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { KeyPair } from '../../peers/authority.ts';
import { RawPartner } from '../../peers/raw-partner.ts';
import { acks, external, RawServer, type ServedStream } from '../../peers/raw-server.ts';
import { type Endpoint, portOf } from './endpoint.ts';
import { Line } from './line.ts';
import type { Lines } from './lines.ts';

const saslNs = 'urn:ietf:params:xml:ns:xmpp-sasl';
const acksNs = 'urn:xmpp:sm:3';

export interface PartnerDial extends Endpoint {
  readonly line: string;
  readonly from: string;
  readonly to: string;
  readonly certificate: KeyPair;
  /** Stream management is used where it is offered. */
  readonly acks: boolean;
}

export interface PartnerListen {
  readonly line: string;
  /** The stream that the partner opened, for its answers. */
  readonly replies: string;
  readonly address: string;
  readonly certificate: KeyPair;
  /** Stream management is offered. */
  readonly acks: boolean;
}

/** What the partner's server does: real streams for gateways and servers, bare TLS for byte pipes. */
export function partnerSide(lines: Lines) {
  return {
    /** Opens a stream, proven by EXTERNAL. */
    async dialServer({ line, address, port, from, to, certificate, acks }: PartnerDial): Promise<void> {
      const partner = await RawPartner.proven({ address, ports: { s2s: port } }, { from, to, certificate });
      if (acks) {
        await partner.stream.write(`<enable xmlns='${acksNs}'/>`);
        await partner.stream.read(/<enabled[^>]*>/);
      }
      const standing = new Line(secured(partner.stream.tls));
      if (acks) standing.askForAcks();
      lines.put(line, standing);
    },

    /** Takes streams, proven by EXTERNAL whatever the certificate; each is the line from there on. Resolves with the port. */
    async serveServer({ line, replies, address, certificate, acks }: PartnerListen): Promise<number> {
      const server = await RawServer.start({ address, certificate, features: external });
      const reply = (xml: string): void => void lines.standing(replies).then((dialled) => dialled.say(xml));
      const serve = async (): Promise<never> => {
        for (;;) {
          const served = server.next().then((stream) => takeStream(stream, acks, reply));
          await served.then((stands) => lines.put(line, stands), forget);
        }
      };
      void serve();
      return server.target.port;
    },

    /** TLS and nothing in it: the peer is a byte pipe. */
    async dialTls({ line, address, port, to, certificate }: Omit<PartnerDial, 'from' | 'acks'>): Promise<void> {
      const { certificatePem: cert, keyPem: key } = certificate;
      const socket = connect({ host: address, port, servername: to, cert, key, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      lines.put(line, new Line(socket));
    },

    async serveTls({ line, address, certificate }: Omit<PartnerListen, 'replies' | 'acks'>): Promise<number> {
      const { certificatePem: cert, keyPem: key } = certificate;
      const server = createTlsServer({ cert, key }, (socket) => {
        socket.on('error', forget);
        lines.put(line, new Line(socket));
      });
      return await portOf(server.listen(0, address));
    },
  };
}

async function takeStream(served: ServedStream, offersAcks: boolean, reply: (xml: string) => void): Promise<Line> {
  const { stream } = served;
  await stream.read(/<auth[^>]*>[^<]*<\/auth>/);
  await stream.write(`<success xmlns='${saslNs}'/>`);
  await served.open(offersAcks ? acks : '');
  // Prosody sends what it has before it asks for stream management, and that does not count as handled (XEP-0198 §4).
  const before = offersAcks ? await stream.read(/<enable [^>]*>/) : '';
  if (offersAcks) await stream.write(`<enabled xmlns='${acksNs}'/>`);
  const after = stream.unread;
  const line = new Line(secured(stream.tls), reply);
  line.arrivals.push(Buffer.from(before));
  line.arrivals.restartHandled();
  line.arrivals.push(Buffer.from(after));
  return line;
}

function secured(tls: TLSSocket | undefined): TLSSocket {
  if (tls === undefined) throw new Error('the stream has no TLS');
  return tls;
}

function forget(): void {
  // No stream came within the inbox's time, or one ended during its negotiation: the next one may do.
}
