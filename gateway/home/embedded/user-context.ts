import type { Stanza } from '../../bridge/stanza.ts';
import type { Resource } from './resources.ts';

/** What every part of the users' side may ask of the whole. */
export interface UserContext {
  /** Calls `then`, in order, once all that was stored before is kept. */
  whenKept(then: () => void): void;
  /** Brings a stanza on its way, as if a user's resource had sent it: to local users, or to the middle. */
  route(stanza: Stanza): void;
  /** Sends to a resource, behind all that was accepted before. */
  tell(resource: Resource, stanza: Stanza): void;
  /**
   * The same for what somebody else sent and the user may never have asked for: nobody is to end the session of
   * another by sending more than its client takes. `refused` is told instead where its client is behind already.
   */
  offer(resource: Resource, stanza: Stanza, refused?: () => void): void;
}
