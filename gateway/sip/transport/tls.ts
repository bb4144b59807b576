import { constants } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type SecureContextOptions, TLSSocket } from 'node:tls';

/** TLS 1.2 suites with forward secrecy and authenticated encryption (RFC 9325 §4.2); TLS 1.3 has its own. */
const CIPHERS =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:' +
  'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256';
/** Longest chain taken from a handshake; `pki` bounds its own work further. */
const CHAIN = 10;

/** The oldest version that is spoken (RFC 9325 §3.1.1). */
export type MinVersion = 'TLSv1.2' | 'TLSv1.3';

export interface OwnIdentity {
  readonly certPem: string;
  readonly keyPem: string;
  /** Default TLSv1.2; holds where we connect ({@link ServerTls} has one of its own). */
  readonly minVersion?: MinVersion | undefined;
}

/** A context with a certificate of ours, for either side of a handshake. */
export function trunkContext({ certPem, keyPem, minVersion = 'TLSv1.2' }: OwnIdentity): SecureContext {
  return createSecureContext({ cert: certPem, key: keyPem, ...profile(minVersion) });
}

/** The context for a name of ours ('' where the peer asked for none); undefined: nobody of that name is here. */
export type SecureContextFor = (name: string) => SecureContext | undefined;

/**
 * TLS on connections that peers open. Their certificate is asked for and never refused here: OpenSSL would refuse the
 * serverAuth-only certificates that public authorities issue, so `pki` judges. Sessions are not resumed: a resumed one
 * shows the peer's leaf without what stands above it, and trunks are few and stand for long.
 */
export class ServerTls {
  readonly #secureContextFor: SecureContextFor;
  /** All but the certificate comes from the context that a handshake begins with, whatever SNI then chooses. */
  readonly #base: SecureContext;

  constructor(secureContextFor: SecureContextFor, minVersion: MinVersion) {
    this.#secureContextFor = secureContextFor;
    this.#base = createSecureContext(profile(minVersion));
  }

  /** Begins a handshake; one for a name that is not here fails by {@link UnknownName}. */
  secure(bare: Socket): TLSSocket {
    const socket = new TLSSocket(bare, {
      isServer: true,
      secureContext: this.#base,
      requestCert: true,
      rejectUnauthorized: false,
      SNICallback: (name, done) => {
        const context = this.#secureContextFor(name.toLowerCase());
        if (context === undefined) done(new UnknownName(name));
        else done(null, context);
      },
    });
    // For a peer without SNI; where there is none, no handshake without a certificate succeeds.
    const unnamed = this.#secureContextFor('');
    if (unnamed !== undefined) socket.setKeyCert(unnamed);
    return socket;
  }
}

/** The peer asked by SNI for a name that is not here. */
export class UnknownName extends Error {
  constructor(name: string) {
    super(`No certificate for ${JSON.stringify(name.slice(0, 255))} is here.`);
    this.name = 'UnknownName';
  }
}

/** Begins TLS over a connection of ours; `name`: the domain asked for, which is the SNI (RFC 5922 §7.8). */
export function secureAsClient(bare: Socket, name: string, context: SecureContext): TLSSocket {
  return connect({
    socket: bare,
    secureContext: context,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(isIP(name) === 0 ? { servername: name } : {}),
  });
}

/** The chain that the peer showed: DER, leaf first; empty where it showed none. */
export function chainOf(socket: TLSSocket): Buffer[] {
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

function profile(minVersion: MinVersion): SecureContextOptions {
  const { SSL_OP_NO_RENEGOTIATION, SSL_OP_NO_COMPRESSION, SSL_OP_NO_TICKET } = constants;
  return {
    ciphers: CIPHERS,
    minVersion,
    secureOptions: SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET,
  };
}
