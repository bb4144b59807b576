import type { Fault } from '../../../policies/fault.ts';
import type { ScannedElement } from '../../xmpp/start-tag.ts';
import type { StreamFault } from '../../xmpp/stream-error.ts';
import type { ChannelBindings } from './channel-binding.ts';

/** How a client opens its stream: `<stream:stream/>` or `<open/>`. Absent attributes are ''. */
export interface Opening {
  readonly to: string;
  readonly from: string;
  readonly version: string;
}

/** Our opening in answer; those absent or '' are left out. */
export interface Answer {
  readonly from: string;
  readonly to: string;
  readonly id: string;
}

export interface ClientTransportEvents {
  opening(opening: Opening): void;
  element(element: ScannedElement): void;
  /** Room again after {@link ClientTransport.full}. */
  drain(): void;
  /** It is over, once: `undefined` after a graceful close, else why. */
  closed(fault: Fault | undefined): void;
}

/**
 * What carries the stream of one client: TCP (RFC 6120 §4) or WebSocket (RFC 7395). Events that throw
 * {@link StreamFault} end it with that stream error.
 */
export interface ClientTransport {
  readonly kind: 'tcp' | 'websocket';
  readonly address: string;
  /** Whether TLS protects it. */
  readonly secured: boolean;
  readonly bindings: ChannelBindings;
  /** Whether {@link startTls} may still be called. */
  readonly canStartTls: boolean;
  /** Whether anything may still be written. */
  readonly open: boolean;
  /** More waits to be written than a reading client lets pile up. */
  readonly full: boolean;
  /** ms since 1970 of the last byte read. */
  readonly lastRead: number;
  /** What {@link fail} would open the stream with, should it come to that before {@link answer}. */
  prepare(answer: Answer): void;
  answer(answer: Answer): void;
  /** Writes `<stream:features/>` with these children. */
  features(children: readonly string[]): void;
  /** Writes a stanza of portable bytes. */
  stanza(bytes: Buffer): void;
  /** Writes one element that declares its namespace. */
  send(xml: string): void;
  /** The same, in answer to what the client asks of the stream: one that asks on and reads no answer is sent away. */
  reply(xml: string): void;
  /** The next thing read is a new opening; the next thing written is one too. */
  restart(): void;
  /** The client is authenticated: elements may be of full size, and as many may come as will. */
  trusted(): void;
  /** Answers `<starttls/>`, for a stream opened to `domain`, and shakes hands; a new opening follows. */
  startTls(domain: string): void;
  pause(): void;
  resume(): void;
  /** Ends it with a stream error. */
  fail(fault: StreamFault): void;
  /** Flushes and closes gracefully. */
  close(fault?: Fault): void;
  /** Drops the connection without a word. */
  destroy(fault?: Fault): void;
}
