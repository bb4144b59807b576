/** Bounds of the transport, each beside its reason. */
export interface FlowLimits {
  /** Connections that peers opened, in all: a few dozen kilobytes each with TLS. */
  readonly connections: number;
  /** The same of one address (IPv6: of one /64): an SBC opens one for each of its workers. */
  readonly perAddress: number;
  /** Connections that one address may open within ten seconds: each costs a handshake, about a millisecond of CPU. */
  readonly attempts: number;
  /** Connections that we opened: one a trunk target. */
  readonly outgoing: number;
  /** Header lines of a message, continuation lines among them: many proxies leave many a Via. At most 256. */
  readonly headerLines: number;
  /** Bytes of one such line, or of the start line. */
  readonly lineBytes: number;
  /** Bytes of all of them. At most 64 KiB. */
  readonly headBytes: number;
  /** Bytes of a body: a session description has two kilobytes, a presence document or a picture in a MESSAGE more. */
  readonly bodyBytes: number;
  /** Bytes of incomplete messages on all flows together; past that the flow with the most of them is ended. */
  readonly heldBytes: number;
  /** Bytes that wait to be read by one peer: a second's worth of a busy trunk. */
  readonly backlogBytes: number;
  /** A peer that takes nothing of what waits for it for this long is gone, ms: its own timers are over by then. */
  readonly unreadMs: number;
  /** TLS must stand after this long, ms: an honest handshake takes two round trips. */
  readonly handshakeMs: number;
  /** A connection of ours must stand (without TLS) after this long, ms. */
  readonly connectMs: number;
  /** A peer that connects has something to say: its first message must be complete after this long, ms. */
  readonly firstMessageMs: number;
  /** Any message must be complete this long after its first byte, ms, however steadily it trickles. */
  readonly incompleteMs: number;
  /** A flow on which nothing at all came for this long is closed, ms. RFC 5923 §8.3 leaves flows open between dialogs. */
  readonly idleMs: number;
  /** CRLFs between messages within ten seconds; RFC 5626 §4.4.1 asks for two in two minutes. */
  readonly blankLines: number;
}

export const defaultLimits: FlowLimits = {
  connections: 1_000,
  perAddress: 64,
  attempts: 200,
  outgoing: 500,
  headerLines: 64,
  lineBytes: 8 * 1024,
  headBytes: 64 * 1024,
  bodyBytes: 256 * 1024,
  heldBytes: 32 * 1024 * 1024,
  backlogBytes: 1024 * 1024,
  unreadMs: 32_000,
  handshakeMs: 5_000,
  connectMs: 5_000,
  firstMessageMs: 10_000,
  incompleteMs: 10_000,
  idleMs: 15 * 60_000,
  blankLines: 64,
};
