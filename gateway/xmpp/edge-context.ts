import { randomBytes } from 'node:crypto';
import type { Journal } from '../bridge/journal.ts';
import type { EdgeHost } from '../bridge/ports.ts';
import type { DialbackKeys } from './dialback-key.ts';
import type { CertificateProof } from './evidence/certificate.ts';
import type { OwnCertificates } from './own-certificates.ts';
import type { ScannerLimits } from './scanner.ts';
import type { StreamSessions } from './stream-sessions.ts';

/** The settings of the XMPP edge, as plain numbers: ms, bytes, counts. Defaults and bounds are the configuration's. */
export interface XmppEdgeOptions {
  readonly scanner: ScannerLimits;
  /** Most that is read of a stream before its peer is proven, bytes. */
  readonly unprovenBytes: number;
  /** From accepting a connection, or starting one, to the proof, ms. */
  readonly authTimeoutMs: number;
  /** Whole attempt to reach one partner, all its addresses included, ms. */
  readonly connectTimeoutMs: number;
  /** A stream that carried nothing for so long is closed, ms. */
  readonly idleMs: number;
  /** Silence after which a stream is probed, ms. */
  readonly keepAliveMs: number;
  readonly tlsRequired: boolean;
  readonly bidi: boolean;
  readonly queue: { readonly stanzas: number; readonly bytes: number; readonly waitMs: number };
}

/** What every stream of the edge leans on. */
export interface EdgeContext {
  readonly host: EdgeHost;
  readonly journal: Journal;
  readonly options: XmppEdgeOptions;
  readonly certificates: OwnCertificates;
  readonly proof: CertificateProof;
  readonly keys: DialbackKeys;
  readonly streamSessions: StreamSessions;
}

/** Before proof an element is a handshake step: RFC 6120 §13.12 allows no smaller limit than this on stanzas. */
export const UNPROVEN_ELEMENT_BYTES = 10_000;

/** 128 random bits: stream ids must be unpredictable and never repeat (RFC 6120 §4.7.3). */
export function newStreamId(): string {
  return randomBytes(16).toString('hex');
}
