import { createHash, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** Channel binding types (RFC 5929, RFC 9266) as SCRAM and XEP-0440 name them. */
export type BindingType = 'tls-exporter' | 'tls-unique' | 'tls-server-end-point';

/** What of a TLS channel a sign-in can be bound to, best first; absent where the channel has no such data. */
export type ChannelBindings = ReadonlyMap<BindingType, Buffer>;

export const noBindings: ChannelBindings = new Map();

/** RFC 9266 §2. */
const EXPORTER = 'EXPORTER-Channel-Binding';
const EXPORTER_BYTES = 32;

/**
 * The bindings of an established TLS connection; `certificate` is the server's. tls-exporter is left out below TLS 1.3,
 * where it holds only with the extended master secret (RFC 9266 §3.1), of which Node says nothing; tls-unique is not
 * defined from TLS 1.3 on.
 */
export function channelBindings(
  socket: TLSSocket,
  side: 'server' | 'client',
  certificate: X509Certificate | undefined,
): ChannelBindings {
  const bindings = new Map<BindingType, Buffer>();
  if (socket.getProtocol() === 'TLSv1.3') {
    bindings.set('tls-exporter', socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER, Buffer.alloc(0)));
  } else {
    const unique = firstFinished(socket, side);
    if (unique !== undefined) bindings.set('tls-unique', unique);
  }
  const endPoint = certificate && endPointBinding(certificate);
  if (endPoint) bindings.set('tls-server-end-point', endPoint);
  return bindings;
}

/** RFC 5929 §3: of a full handshake the client's Finished is the first, of a resumed one the server's. */
function firstFinished(socket: TLSSocket, side: 'server' | 'client'): Buffer | undefined {
  const oursFirst = socket.isSessionReused() === (side === 'server');
  return oursFirst ? socket.getFinished() : socket.getPeerFinished();
}

/** RFC 5929 §4.1: the certificate hashed as its signature is, with SHA-256 in place of what is older. */
function endPointBinding(certificate: X509Certificate): Buffer | undefined {
  const hash = /sha-?(224|256|384|512)|sha-?1|md5/i.exec(certificate.signatureAlgorithm ?? '');
  return hash
    ? createHash(`sha${hash[1] ?? '256'}`)
        .update(certificate.raw)
        .digest()
    : undefined;
}
