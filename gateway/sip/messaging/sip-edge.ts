import type { Edge, Protocol, Taken } from '../../bridge/ports.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import type { InCall, SipHandlers } from '../port.ts';
import { IncomingMessages } from './incoming-messages.ts';
import type { MessagingContext } from './messaging-context.ts';
import { OutgoingMessages } from './outgoing-messages.ts';

/** How long what is under way may take when we stop, ms. */
const STOP_MS = 3_000;

/** Messages of partners over SIP trunks, both ways (RFC 7572): the SIP side of the bridge. */
export class SipEdge implements Edge {
  readonly carries: ReadonlySet<Protocol> = new Set(['sip']);
  readonly #context: MessagingContext;
  readonly #incoming: IncomingMessages;
  readonly #outgoing: OutgoingMessages;
  #closing: Promise<void> | undefined;

  constructor(context: MessagingContext) {
    this.#context = context;
    this.#incoming = new IncomingMessages(context);
    this.#outgoing = new OutgoingMessages(context);
  }

  /** What the stack is to call; calls are refused, for another part takes them where there is one. */
  get handlers(): SipHandlers {
    return {
      invite: (call) => this.#refuseCall(call),
      request: (request) => this.#incoming.request(request),
      subscribe: async () => ({ accept: false, answer: { status: 489 } }),
      trunk: ({ kind, domain }, state) => {
        if (kind === 'partner' && state === 'up') this.#outgoing.up(domain);
      },
    };
  }

  /** Messages that wait for an answer, in and out; for metrics. */
  get load(): { incoming: number; outgoing: number } {
    return { incoming: this.#incoming.size, outgoing: this.#outgoing.size };
  }

  send(home: string, partner: string, stanza: Stanza): Taken {
    const { host } = this.#context;
    if (stanza.name === 'message') {
      return stanza.type === 'error'
        ? this.#sendError(home, partner, stanza)
        : this.#outgoing.send(home, partner, stanza);
    }
    const asks = stanza.name === 'iq' ? stanza.type === 'get' || stanza.type === 'set' : stanza.type === 'subscribe';
    if (asks) host.undeliverable(stanza, 'sip-only-messages');
    else host.delivered(stanza);
    return 'more';
  }

  room(home: string, partner: string): void {
    this.#incoming.room(home, partner);
  }

  answers(error: Stanza): boolean {
    return this.#incoming.answers(error);
  }

  arrived(_home: string, _partner: string, message: Stanza): void {
    this.#incoming.arrived(message);
  }

  /** Whether an error stanza is about a MESSAGE that came in here. */
  awaits(stanza: Stanza): boolean {
    return this.#incoming.concerns(stanza);
  }

  /** Policies, certificates or DNS have changed: partners that could not be reached are tried at once. */
  renew(): void {
    this.#outgoing.renew();
  }

  /** Takes no more MESSAGEs, and answers those that wait by what is known of them. */
  cease(): void {
    this.#incoming.close();
  }

  /** Lets what is under way end, for a moment; what waits is given back. */
  close(): Promise<void> {
    this.#incoming.close();
    this.#closing ??= this.#outgoing.close(STOP_MS);
    return this.#closing;
  }

  #sendError(home: string, partner: string, error: Stanza): Taken {
    const subject = this.#incoming.refused(error);
    if (typeof subject !== 'string') return this.#outgoing.tellLate(home, partner, error, subject.late);
    this.#context.host.delivered(error);
    return 'more';
  }

  #refuseCall(call: InCall): void {
    const { journal } = this.#context;
    const { trunk, from, target, callId } = call;
    const facts = { partner: trunk.domain, trunk: trunk.id, method: 'INVITE', from: from.uri, to: target, callId };
    journal.refuse('sip-refused', 'calls-unavailable', { ...facts, status: 501 });
    call.refuse({ status: 501 });
  }
}
