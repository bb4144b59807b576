import { constants } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type SecureContext, TLSSocket } from 'node:tls';
import { Fault } from '../../policies/fault.ts';
import type { PeerSession } from './session-cache.ts';
import type { XmlStream } from './xml-stream.ts';

/** XEP-0368 §3: the one protocol of direct TLS between servers. */
export const ALPN_SERVER = 'xmpp-server';
/** The same for users' clients. */
export const ALPN_CLIENT = 'xmpp-client';
/** RFC 6120 §5.3.5: renegotiation is not for XMPP. */
export const SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION;
/** TLS 1.2 suites with forward secrecy and authenticated encryption (RFC 9325 §4.2); TLS 1.3 has its own. */
export const CIPHERS =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:' +
  'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256';

/** What a handshake agreed on, for the log and for the evidence. */
export interface Secured {
  readonly version: string;
  readonly cipher: string;
  /** The peer's chain as DER, leaf first; empty where it sent none. */
  readonly chain: readonly Buffer[];
  readonly resumed: boolean;
  readonly alpn: string;
}

export interface ServerTls {
  /** The context for a stream whose client sends no SNI: chosen by the stream's `to`. */
  readonly context: SecureContext;
  readonly contextFor: (serverName: string) => SecureContext | undefined;
  readonly direct: boolean;
  /** Who connects: other servers (unless said) are asked for a certificate, users' clients are not. */
  readonly peers?: 'servers' | 'clients';
}

export interface ClientTls {
  readonly context: SecureContext;
  /** The service domain, never the SRV target (XEP-0368 §3). */
  readonly serverName: string;
  readonly direct: boolean;
  readonly session: PeerSession | undefined;
  readonly onSession: (session: PeerSession) => void;
}

/**
 * Lays TLS over a stream as its server. The handshake itself trusts nobody: OpenSSL's purpose check would refuse the
 * serverAuth-only certificates that public authorities issue, so certificates are asked for here and judged by `pki`.
 */
export function secureAsServer(stream: XmlStream, tls: ServerTls, onSecured: (secured: Secured) => void): void {
  const bare = stream.wire.detach();
  const toClients = tls.peers === 'clients';
  const socket = new TLSSocket(bare, {
    isServer: true,
    secureContext: tls.context,
    requestCert: !toClients,
    rejectUnauthorized: false,
    SNICallback: (name, done) => done(null, tls.contextFor(name) ?? tls.context),
    ...(tls.direct ? { ALPNProtocols: [toClients ? ALPN_CLIENT : ALPN_SERVER] } : {}),
  });
  stream.wire.replace(socket);
  socket.once('secure', () => onSecured(agreed(socket)));
}

/** Lays TLS over a stream as its client. Rejects with a {@link Fault} `tls-failed`. */
export function secureAsClient(stream: XmlStream, tls: ClientTls): Promise<Secured> {
  const bare = stream.wire.detach();
  const socket = connect({
    socket: bare,
    secureContext: tls.context,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(isIP(tls.serverName) === 0 ? { servername: tls.serverName } : {}),
    ...(tls.direct ? { ALPNProtocols: [ALPN_SERVER] } : {}),
    ...(tls.session ? { session: tls.session.ticket } : {}),
  });
  stream.wire.replace(socket);
  return new Promise((resolve, reject) => {
    let secured: Secured | undefined;
    // TLS 1.2 gives its ticket before the handshake is over, TLS 1.3 after it.
    let early: Buffer | undefined;
    socket.on('session', (ticket) => {
      if (secured === undefined) early = ticket;
      else tls.onSession({ ticket, chain: secured.chain });
    });
    socket.once('secureConnect', () => {
      const now = agreed(socket);
      secured = now.resumed && tls.session ? { ...now, chain: tls.session.chain } : now;
      if (early !== undefined) tls.onSession({ ticket: early, chain: secured.chain });
      resolve(secured);
    });
    socket.once('error', (cause) => reject(new Fault('tls-failed', `TLS: ${cause.message}`, { cause })));
    socket.once('close', () => reject(new Fault('tls-failed', 'The connection ended during the TLS handshake.')));
  });
}

function agreed(socket: TLSSocket): Secured {
  return {
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher()?.name ?? '',
    chain: chainOf(socket),
    resumed: socket.isSessionReused(),
    alpn: socket.alpnProtocol || '',
  };
}

/** Longest chain taken from a handshake; `pki` bounds its own work further. */
const CHAIN = 10;

function chainOf(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = [];
  let certificate = socket.getPeerCertificate(true);
  while (certificate?.raw && chain.length < CHAIN) {
    chain.push(certificate.raw);
    const issuer = certificate.issuerCertificate;
    if (!issuer || issuer === certificate || issuer.fingerprint256 === certificate.fingerprint256) break;
    certificate = issuer;
  }
  return chain;
}
