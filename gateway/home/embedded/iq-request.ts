import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import type { Resource } from './resources.ts';

/** An IQ request that the home itself answers, for its server or on behalf of a user (RFC 6121 §8.5.1). */
export interface IqRequest {
  readonly stanza: Stanza;
  /** Whom it is about: the server, the asking user, or another user who exists. */
  readonly about: 'server' | 'self' | 'other';
  /** Bare address of that user, folded; '' for the server. */
  readonly user: string;
  /** Bare address of who asks, folded. */
  readonly asker: string;
  /** The asking resource, where it is a local one. */
  readonly resource: Resource | undefined;
  /** Answers with a result of this content; `prefixes` are declarations that it needs on the root. */
  answer(content?: string, prefixes?: string): void;
  refuse(reason: ReasonCode): void;
}

/** Answers requests of one type and namespace, at once or later; exactly once. */
export type IqHandler = (request: IqRequest) => void;

/** Handlers by type and namespace of the request: `get urn:xmpp:ping`. */
export type IqHandlers = Readonly<Record<string, IqHandler>>;
