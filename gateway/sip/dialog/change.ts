import type { SipRequest } from '../message/message.ts';
import type { ExtraHeaders, Modified, Reply, Sdp } from '../port.ts';
import type { Timer } from '../transaction/clock.ts';
import { sdpOf, setSdp } from './body.ts';
import { type Exchanged, exchange } from './exchange.ts';
import { glareDelay } from './glare.ts';
import type { Leg } from './leg.ts';
import type { SentRequest } from './outbound.ts';
import { ownReply } from './reply.ts';
import { ALLOW, addHeaders, SUPPORTED } from './request.ts';
import { LEAST_INTERVAL, leastInterval } from './session-timer.ts';

/** How often a change is tried that meets one of the peer's: after eight waits of up to 4 s the peer is stuck. */
const TRIES = 8;

/** One change of a session that we ask for, by re-INVITE or UPDATE; or its refresh (RFC 4028 §7.4). */
export class Change {
  readonly #leg: Leg;
  /** Our re-INVITE is under way. */
  inviting = false;
  #timer: Timer | undefined;
  #wake: (() => void) | undefined;
  /** Our re-INVITE as it was sent. */
  #sent: SentRequest | undefined;

  constructor(leg: Leg) {
    this.#leg = leg;
  }

  /** The session is over: nothing is waited for any more. */
  close(): void {
    this.#timer?.clear();
    this.#sent?.cancel();
    this.#wake?.();
  }

  /** Before the session stands by UPDATE (RFC 3311 §5.1), then by re-INVITE; after a glare it is tried again (RFC 3261 §14.1). */
  async modify(offer: Sdp | undefined, headers: ExtraHeaders): Promise<Modified> {
    const leg = this.#leg;
    let met = false;
    for (let tries = 0; tries < TRIES; tries += 1) {
      if (met) await this.#pause();
      if (leg.over) return { reply: sessionOver() };
      met = true;
      if (leg.busy) continue;
      const modified = await (leg.confirmed ? this.#byInvite(offer, headers) : this.#byUpdate(offer, headers));
      if (!('reply' in modified)) return modified;
      if (this.#raised(modified.reply)) met = false;
      else if (modified.reply.status !== 491) return modified;
    }
    return { reply: ownReply(491, 'Request Pending', 'unsent') };
  }

  /** Refreshes the session as it is, by UPDATE where the peer takes it; 491 where something else is under way. */
  async refresh(): Promise<Reply> {
    const leg = this.#leg;
    if (leg.busy) return ownReply(491, 'Request Pending', 'unsent');
    if (leg.peerUpdates || leg.localSdp === undefined) {
      const { reply, response } = await this.#exchange('UPDATE', undefined, []);
      if (response !== undefined && reply.status < 300) leg.refreshed(response);
      else this.#judge(reply);
      this.#raised(reply);
      return reply;
    }
    const modified = await this.#byInvite(leg.localSdp, []);
    if (!('reply' in modified)) return ownReply(200, 'OK', 'peer');
    this.#raised(modified.reply);
    return modified.reply;
  }

  async #byInvite(offer: Sdp | undefined, headers: ExtraHeaders): Promise<Modified> {
    const leg = this.#leg;
    if (offer !== undefined) leg.offers = 'ours';
    this.inviting = true;
    const { reply, response, request } = await this.#exchange('INVITE', offer, headers);
    this.inviting = false;
    leg.offers = 'settled';
    if (response === undefined || reply.status >= 300) {
      this.#judge(reply);
      return { reply };
    }
    const cseq = request.cseq.number;
    const sdp = sdpOf(response);
    if (leg.over) {
      leg.acknowledge(cseq);
      return { reply: sessionOver() };
    }
    leg.refreshed(response);
    if (sdp !== undefined && offer === undefined) {
      leg.oweAck(cseq);
      return { sdp, ack: (answer) => this.#answered(cseq, answer) };
    }
    leg.acknowledge(cseq);
    return sdp === undefined ? { reply: noDescription() } : this.#changed(offer, sdp);
  }

  async #byUpdate(offer: Sdp | undefined, headers: ExtraHeaders): Promise<Modified> {
    const leg = this.#leg;
    if (!leg.peerUpdates || offer === undefined) return { reply: ownReply(405, 'No UPDATE Here', 'unsent') };
    leg.offers = 'ours';
    const { reply, response } = await this.#exchange('UPDATE', offer, headers);
    leg.offers = 'settled';
    if (response === undefined || reply.status >= 300) {
      this.#judge(reply);
      return { reply };
    }
    leg.refreshed(response);
    const sdp = sdpOf(response);
    return sdp === undefined ? { reply: noDescription() } : this.#changed(offer, sdp);
  }

  #changed(offer: Sdp | undefined, sdp: Sdp): Modified {
    if (offer !== undefined) this.#leg.described(offer);
    return { sdp };
  }

  #answered(cseq: number, answer: Sdp): void {
    this.#leg.acknowledge(cseq, answer);
    this.#leg.described(answer);
  }

  async #exchange(method: 'INVITE' | 'UPDATE', offer: Sdp | undefined, headers: ExtraHeaders): Promise<Exchanged> {
    const leg = this.#leg;
    let cseq = 0;
    const exchanged = await exchange(leg.outbound, {
      dialog: leg.dialog,
      build: (credentials) => {
        const request = leg.dialog.request(method);
        cseq = request.cseq.number;
        if (method === 'INVITE') leg.acks.credentials = credentials;
        this.#describe(request);
        addHeaders(request, headers);
        addHeaders(request, credentials);
        setSdp(request, offer);
        return request;
      },
      sent: (sent) => {
        if (method !== 'INVITE') return;
        this.#sent = sent;
        this.#timer?.clear();
        this.#timer = leg.core.clock.setTimeout(() => sent.cancel(), leg.core.limits.setupMs);
      },
      repeated: () => leg.acks.again(cseq),
    });
    this.#timer?.clear();
    this.#sent = undefined;
    return exchanged;
  }

  #describe({ headers }: SipRequest): void {
    const { outbound, terms, leastSeconds } = this.#leg;
    headers.append('Contact', `<${outbound.contact()}>`).append('Allow', ALLOW).append('Supported', SUPPORTED);
    if (terms === undefined) return;
    const refresher = terms.refresher === 'us' ? 'uac' : 'uas';
    headers.append('Session-Expires', `${Math.max(terms.interval, leastSeconds)};refresher=${refresher}`);
    if (leastSeconds > LEAST_INTERVAL) headers.append('Min-SE', String(leastSeconds));
  }

  /** A 422 names the least interval; true where it is more than we knew, so that the request may come again. */
  #raised(reply: Reply): boolean {
    const least = reply.status === 422 ? (leastInterval(reply.headers) ?? 0) : 0;
    if (least <= this.#leg.leastSeconds) return false;
    this.#leg.leastSeconds = least;
    return true;
  }

  /** What a failure says of the whole session: 481, 408 and no response at all end it (RFC 3261 §12.2.1.2, §14.1). */
  #judge(reply: Reply): void {
    if (reply.status === 481 && reply.origin === 'peer') this.#leg.vanished();
    else if (reply.status === 408 && !this.#leg.over) this.#leg.hangUp('timeout');
    else if (reply.status === 405 || reply.status === 501) this.#leg.peerUpdates = false;
  }

  #pause(): Promise<void> {
    const { core, dialog } = this.#leg;
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#timer = core.clock.setTimeout(resolve, glareDelay(dialog.initiator, core.random));
    });
  }
}

export function sessionOver(): Reply {
  return ownReply(481, 'Session Over', 'unsent');
}

function noDescription(): Reply {
  return ownReply(488, 'No Session Description', 'peer');
}
