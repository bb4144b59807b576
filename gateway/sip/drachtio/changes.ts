import { sdpOf, setSdp } from '../dialog/body.ts';
import { glareDelay } from '../dialog/glare.ts';
import { ownReply, PeerReply } from '../dialog/reply.ts';
import { addHeaders } from '../dialog/request.ts';
import { SipRequest, type SipResponse } from '../message/message.ts';
import type { ExtraHeaders, Modified, Sdp } from '../port.ts';
import type { Timer } from '../transaction/clock.ts';
import { DIALOG_TARGET } from './content.ts';
import { type Acknowledge, ClientExchange } from './exchange.ts';
import type { Ground } from './ground.ts';

/** The session whose changes these are. */
export interface Changing {
  readonly ground: Ground;
  readonly dialogId: string;
  /** Whether the Call-ID is ours, which tells who waits longer after a glare. */
  readonly initiator: boolean;
  over(): boolean;
  /** Something else is under way. */
  busy(): boolean;
  /** Keeps the way to send the ACK of a 2xx with an offer. */
  oweAck(ack: Acknowledge): (answer: Sdp) => void;
  /** The peer knows it no more. */
  vanished(): void;
  end(reason: string): void;
}

/** How often a change is tried that meets one of the peer's, as in our own stack. */
const TRIES = 8;
const OVER = 'Call Is Over';

/** What we ask to be changed of one session, by re-INVITE, one after another. */
export class Changes {
  readonly #session: Changing;
  #turn: Promise<unknown> = Promise.resolve();
  #invite: ClientExchange | undefined;
  #pause: { readonly timer: Timer; readonly wake: () => void } | undefined;

  constructor(session: Changing) {
    this.#session = session;
  }

  /** Our re-INVITE is under way. */
  get inviting(): boolean {
    return this.#invite !== undefined;
  }

  modify(offer: Sdp | undefined, headers: ExtraHeaders): Promise<Modified> {
    const changed = this.#turn.then(() => this.#modify(offer, headers));
    this.#turn = changed;
    return changed;
  }

  /** The session is over: nothing is waited for any more. */
  close(): void {
    this.#pause?.timer.clear();
    this.#pause?.wake();
    this.#invite?.cancel();
  }

  async #modify(offer: Sdp | undefined, headers: ExtraHeaders): Promise<Modified> {
    const session = this.#session;
    for (let tries = 0; tries < TRIES; tries += 1) {
      if (tries > 0) await this.#rest();
      if (session.over()) return { reply: ownReply(481, OVER, 'unsent') };
      if (session.busy()) continue;
      const modified = await this.#ask(offer, headers);
      if (!('reply' in modified) || modified.reply.status !== 491) return modified;
    }
    return { reply: ownReply(491, 'Request Pending', 'unsent') };
  }

  #ask(offer: Sdp | undefined, headers: ExtraHeaders): Promise<Modified> {
    const { ground, dialogId, vanished } = this.#session;
    const request = new SipRequest('INVITE', DIALOG_TARGET);
    addHeaders(request, headers);
    setSdp(request, offer);
    const { promise, resolve } = Promise.withResolvers<Modified>();
    const limit = ground.clock.setTimeout(() => this.#invite?.cancel(), ground.limits.setupMs);
    const end = (modified: Modified): void => {
      this.#invite = undefined;
      limit.clear();
      resolve(modified);
    };
    this.#invite = new ClientExchange(
      ground,
      request,
      { dialogId },
      {
        final: (response, { ack }) => end(this.#changed(response, ack, offer)),
        failed: (reply) => {
          // RFC 3261 §12.2.1.2: the dialog is no more.
          if (reply.status === 481) vanished();
          end({ reply });
        },
      },
    );
    return promise;
  }

  #changed(response: SipResponse, ack: Acknowledge, offer: Sdp | undefined): Modified {
    const session = this.#session;
    const { status } = response;
    if (status >= 300) {
      if (status === 481) session.vanished();
      else if (status === 408) session.end('SIP;cause=408;text="Request Timeout"');
      return { reply: new PeerReply(response) };
    }
    const sdp = sdpOf(response);
    if (session.over() || sdp === undefined || offer !== undefined) ack();
    if (session.over()) return { reply: ownReply(481, OVER, 'unsent') };
    if (sdp === undefined) return { reply: ownReply(488, 'No Session Description', 'peer') };
    return offer === undefined ? { sdp, ack: session.oweAck(ack) } : { sdp };
  }

  #rest(): Promise<void> {
    const { ground, initiator } = this.#session;
    return new Promise((resolve) => {
      const timer = ground.clock.setTimeout(resolve, glareDelay(initiator, ground.random));
      this.#pause = { timer, wake: resolve };
    });
  }
}
