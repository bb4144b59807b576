import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { KeyPair } from '../../peers/authority.ts';
import { type Endpoint, portOf } from './endpoint.ts';
import type { Lines } from './lines.ts';
import { type Called, type CallPlan, endCalls, makeCalls } from './sip-calls.ts';
import { SipLine } from './sip-line.ts';
import type { Pair } from './stanzas.ts';

export interface SipDial extends Endpoint {
  readonly line: string;
  /** The domain that is asked for by SNI, and what we prove ourselves with; TCP without these. */
  readonly tls?: { readonly to: string; readonly certificate: KeyPair } | undefined;
}

export interface SipListen {
  readonly line: string;
  readonly address: string;
  /** TCP without it. */
  readonly certificate?: KeyPair | undefined;
}

export interface CallOrder {
  readonly line: string;
  readonly pair: Pair;
  readonly plan: CallPlan;
}

/** The SIP sides of a gateway: the partner's server over TLS, and the PBX over TCP. */
export function sipSide(lines: Lines) {
  const standing = new Map<string, SipLine>();
  const put = (name: string, socket: Socket): void => {
    const line = new SipLine(socket);
    standing.set(name, line);
    lines.put(name, line);
  };
  const known = async (name: string): Promise<SipLine> => {
    await lines.standing(name);
    const line = standing.get(name);
    if (line === undefined) throw new Error(`${name} does not speak SIP`);
    return line;
  };
  return {
    async dialSip({ line, address: host, port, tls }: SipDial): Promise<void> {
      if (tls === undefined) {
        const socket = connect({ host, port });
        await once(socket, 'connect');
        put(line, socket);
        return;
      }
      const { certificatePem: cert, keyPem: key } = tls.certificate;
      const socket = connectTls({ host, port, servername: tls.to, cert, key, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      put(line, socket);
    },

    /** Takes connections; each is the line from there on. Resolves with the port. */
    async serveSip({ line, address, certificate }: SipListen): Promise<number> {
      const take = (socket: Socket): void => put(line, socket);
      const server =
        certificate === undefined
          ? createServer(take)
          : createTlsServer(
              {
                cert: certificate.certificatePem,
                key: certificate.keyPem,
                requestCert: true,
                rejectUnauthorized: false,
              },
              take,
            );
      return await portOf(server.listen(0, address));
    },

    /** Rejects where one fails. */
    async call({ line, pair, plan }: CallOrder): Promise<Called> {
      return await makeCalls((await known(line)).caller, pair, plan);
    },

    /** Ends every call that stands; resolves with how many. */
    async hangUp({ line }: { line: string }): Promise<number> {
      return await endCalls((await known(line)).caller);
    },

    /** ACKs that came too late since the connection stands. */
    async lateAcks({ line }: { line: string }): Promise<number> {
      return (await known(line)).phones.late;
    },
  };
}
