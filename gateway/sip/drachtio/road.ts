import type { SipRequest } from '../message/message.ts';
import type { ExtraHeaders, Reply, Trunk } from '../port.ts';
import type { Destination } from './content.ts';

/** A trunk as what is sent over it sees it. */
export interface Road extends Trunk {
  /** What the receiver may not learn is taken from the headers. */
  sending(request: SipRequest): void;
  /** Where a request out of dialog goes, by the number of the server of the peer. */
  destination(target: number): Destination;
  hasTarget(target: number): boolean;
  /** What answers a challenge (RFC 3261 §22). Never rejects. */
  authorize(request: SipRequest, reply: Reply): Promise<ExtraHeaders | undefined>;
}
