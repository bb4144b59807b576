import type { SipMessage } from '../message/message.ts';
import type { Ending } from './ending.ts';

export interface Endpoint {
  /** An IP address in text; IPv4 in its own form, also where it came mapped into IPv6. */
  readonly host: string;
  readonly port: number;
}

/** Who is at the other end of a flow, as shown and not yet judged. */
export interface Peer {
  /** Its certificate chain, DER, leaf first; empty over TCP and where it showed none. */
  readonly chain: readonly Buffer[];
  /** The SIP domains that its leaf names (RFC 5922 §7.1), whether or not the chain holds. */
  readonly identities: readonly string[];
}

/** One connection over which messages travel. */
export interface Flow {
  /** Never used twice in one process. */
  readonly id: number;
  /** Over TLS. */
  readonly secure: boolean;
  /** False from the moment it is being closed: nothing is sent or read any more. */
  readonly open: boolean;
  readonly remote: Endpoint;
  readonly local: Endpoint;
  readonly peer: Peer;
  /** The name that the peer asked for by SNI ('' for none), or the domain that we asked for where we opened it. */
  readonly name: string;
  readonly opened: 'by-us' | 'by-peer';
  /** Bytes that the kernel has not taken yet. */
  readonly backlog: number;
  /** Writes a whole message; those of one turn leave together. Past the bound of the backlog the flow is ended. */
  send(message: Buffer): void;
  /** Ends it in good order: what was sent goes out first. `reason` is for the log. */
  close(reason?: string): void;
}

/** Who is told what happens on flows. */
export interface FlowUser {
  message(flow: Flow, message: SipMessage): void;
  /** Once for each flow, when it is over; `why` is a sentence for the log, `ending` its code. */
  closed(flow: Flow, why: string, ending: Ending): void;
}

/** Where a flow should lead. */
export interface FlowTarget {
  /** An IP address, as RFC 3263 found it; a name is looked up by the system, and no alias is found for it. */
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** The domain that the peer must prove, and SNI (RFC 5922 §7.3, §7.8). */
  readonly name: string;
  /** The domain of ours whose certificate is shown. */
  readonly localName: string;
}
