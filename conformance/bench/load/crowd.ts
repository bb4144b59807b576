import { once } from 'node:events';
import { connect } from 'node:tls';
import type { KeyPair } from '../../peers/authority.ts';
import { RawPartner } from '../../peers/raw-partner.ts';
import type { Endpoint } from './endpoint.ts';

export interface CrowdOrder extends Endpoint {
  readonly count: number;
  readonly certificate: KeyPair;
  /** Given: streams, opened to this domain and proven to come from these by turns. Otherwise bare TLS connections. */
  readonly streams?: { readonly from: readonly string[]; readonly to: string } | undefined;
}

/** Handshakes at a time. */
const atOnce = 20;

/** Connections that stand and say nothing. */
export function crowds() {
  const idle: unknown[] = [];
  return {
    /** Resolves when so many more stand. */
    async gather({ count, ...order }: CrowdOrder): Promise<void> {
      for (let n = 0; n < count; n += atOnce) {
        const few = Array.from({ length: Math.min(atOnce, count - n) }, (_, index) => join(order, n + index));
        idle.push(...(await Promise.all(few)));
      }
    },
  };
}

async function join({ address, port, certificate, streams }: Omit<CrowdOrder, 'count'>, n: number): Promise<unknown> {
  if (streams === undefined) {
    const { certificatePem: cert, keyPem: key } = certificate;
    const socket = connect({ host: address, port, cert, key, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    return socket.resume();
  }
  const { from, to } = streams;
  const target = { address, ports: { s2s: port } };
  const partner = await RawPartner.proven(target, { from: from[n % from.length] ?? '', to, certificate });
  partner.answerPings();
  return partner;
}
