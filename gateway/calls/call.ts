import { codeOf } from '../../policies/fault.ts';
import type { Journal } from '../bridge/journal.ts';
import type {
  CallResult,
  InCall,
  ModifyAnswer,
  OutCall,
  Progress,
  Reply,
  Sdp,
  Session,
  SessionEnd,
} from '../sip/port.ts';
import { answerAcross, refusalAnswer } from './answers.ts';
import type { Reservation } from './call-limits.ts';
import type { CallClock } from './clock.ts';
import type { InDialog } from './in-dialog.ts';
import type { Route } from './routing.ts';

export interface CallParts {
  readonly incoming: InCall;
  readonly route: Route;
  readonly reservation: Reservation;
  readonly journal: Journal;
  readonly clock: CallClock;
  /** How long the other side may ring, ms. */
  readonly ringMs: number;
  /** Whether a redirection may be followed, and where to; undefined where not, and the caller was told why. */
  readonly redirected: (reply: Reply) => Route | undefined;
  readonly inDialog: InDialog;
  /** It is over. No closure over `incoming`, for it lasts as long as the call. */
  readonly ended: (call: Call) => void;
}

/** What a call needs until it stands. */
interface SetUp extends Pick<CallParts, 'incoming' | 'redirected'> {
  readonly cancelled: AbortController;
}

/** Targets that one call may be sent to, one after another (toll-fraud: three at most). */
const TARGETS = 3;

/**
 * One call as two legs: what the one side says the other hears, offers and answers as they are. Each leg is a dialog of
 * its own, so neither side learns of the other's proxies, addresses and credentials (RFC 3261 §6, B2BUA).
 */
export class Call {
  readonly #parts: Omit<CallParts, keyof SetUp | 'route'>;
  /** Let go once the call stands or has come to nothing, and the INVITE with it: calls are long. */
  #setUp: SetUp | undefined;
  #route: Route;
  #began = 0;
  #unanswered = false;
  #stopTimer: () => void = nothing;
  /** Of several early dialogs the first that says where its media is: the caller has one dialog with us. */
  #fork: string | undefined;
  #sessions: readonly Session[] = [];
  #over = false;

  constructor({ incoming, redirected, route, ...parts }: CallParts) {
    this.#parts = parts;
    this.#setUp = { incoming, redirected, cancelled: new AbortController() };
    this.#route = route;
  }

  get route(): Route {
    return this.#route;
  }

  /** Sets the call up and sees it to its end; never rejects. */
  async run(): Promise<void> {
    const setUp = this.#setUp;
    if (setUp === undefined) return;
    const { incoming, cancelled } = setUp;
    const { clock, ringMs } = this.#parts;
    const cancel = (): void => cancelled.abort();
    if (incoming.cancelled.aborted) cancel();
    else incoming.cancelled.addEventListener('abort', cancel, { once: true });
    const stopRinging = clock.after(ringMs, () => {
      this.#unanswered = true;
      cancel();
    });
    this.#stopTimer = stopRinging;
    try {
      const result = await this.#find(setUp);
      this.#stopTimer();
      if (result !== undefined) await this.#connect(setUp, result);
    } catch (error) {
      if (codeOf(error) === 'internal')
        this.#parts.journal.refuse('defect', 'internal', { detail: (error as Error).stack });
      incoming.refuse({ status: 500 });
      this.#finish('failed', { by: 'transport', reason: (error as Error).message });
    } finally {
      incoming.cancelled.removeEventListener('abort', cancel);
      // What stops a timer holds what the timer was to run.
      if (this.#stopTimer === stopRinging) this.#stopTimer = nothing;
      this.#setUp = undefined;
    }
  }

  /** Hangs up on both sides. */
  async end(reason?: string): Promise<void> {
    this.#setUp?.cancelled.abort();
    await Promise.allSettled(this.#sessions.map((session) => session.end(reason)));
  }

  /** Calls one target after another, as far as redirections are followed; undefined where the call came to nothing. */
  async #find(setUp: SetUp): Promise<Extract<CallResult, { ok: true }> | undefined> {
    for (let target = 1; ; target++) {
      const call = this.#invite(setUp);
      const result = await call.result;
      call.onProgress = undefined;
      if (result.ok) return result;
      const { reply } = result;
      const redirection = reply.status >= 300 && reply.status < 400 && !setUp.cancelled.signal.aborted;
      const next = redirection && target < TARGETS ? setUp.redirected(reply) : undefined;
      if (next === undefined) {
        this.#refuse(setUp, reply, redirection);
        return undefined;
      }
      this.#route = next;
    }
  }

  #invite({ incoming, cancelled }: SetUp): OutCall {
    const { out, target, from, to } = this.#route;
    const breadth = incoming.headers.get('Max-Breadth');
    const call = out.invite({
      target,
      from,
      to,
      offer: incoming.offer,
      hops: incoming.hops - 1,
      signal: cancelled.signal,
      headers: breadth === undefined ? [] : [['Max-Breadth', breadth]],
    });
    call.onProgress = (progress) => this.#ring(progress);
    return call;
  }

  #ring({ status, sdp, fork }: Progress): void {
    const incoming = this.#setUp?.incoming;
    if (incoming === undefined || incoming.cancelled.aborted || this.#over || !isRinging(status)) return;
    if (sdp !== undefined && incoming.offer !== undefined) this.#fork ??= fork;
    const heard = sdp !== undefined && this.#fork === fork;
    if (status === 183 && !heard) return;
    incoming.ring(heard ? { status, sdp } : { status });
  }

  #refuse({ incoming }: SetUp, reply: Reply, redirection: boolean): void {
    this.#stopTimer();
    if (!incoming.cancelled.aborted) {
      const answer = redirection ? refusalAnswer('redirect-denied') : answerAcross(reply);
      incoming.refuse(this.#unanswered ? { status: 480 } : answer);
    }
    this.#finish(incoming.cancelled.aborted ? 'cancelled' : this.#unanswered ? 'unanswered' : 'refused', {
      by: 'peer',
      reason: String(reply.status),
    });
  }

  async #connect({ incoming }: SetUp, { session, sdp, ack }: Extract<CallResult, { ok: true }>): Promise<void> {
    this.#sessions = [session];
    if (incoming.cancelled.aborted || this.#over) {
      await session.end();
      this.#finish('cancelled', { by: 'peer' });
      return;
    }
    const joined = Promise.withResolvers<Session | undefined>();
    // The called side may change the call before the caller's ACK is in.
    session.onModify = async (offer) => {
      const caller = await joined.promise;
      return caller === undefined ? { refuse: { status: 500 } } : modifyAcross(caller, offer);
    };
    try {
      const caller = await this.#answer(incoming, sdp, ack);
      this.#join(caller, session);
      joined.resolve(caller);
    } catch (error) {
      joined.resolve(undefined);
      await session.end();
      this.#finish('failed', { by: 'timeout', reason: (error as Error).message });
    }
  }

  async #answer(incoming: InCall, sdp: Sdp, ack: ((answer: Sdp) => void) | undefined): Promise<Session> {
    if (incoming.offer !== undefined) return incoming.answer(sdp);
    const answered = await incoming.answerWithOffer(sdp);
    ack?.(answered.sdp);
    return answered.session;
  }

  #join(caller: Session, called: Session): void {
    const { journal, clock } = this.#parts;
    this.#began = clock.now();
    this.#sessions = [caller, called];
    journal.note('call-started', this.#facts());
    this.#tie(caller, called);
    this.#tie(called, caller);
    const { longest } = this.#route.partner.calls?.limits ?? {};
    if (longest !== undefined)
      this.#stopTimer = clock.after(longest, () => void this.end('SIP;cause=408;text="Time is up"'));
    this.#watch(caller);
    this.#watch(called);
  }

  /** Where one side hangs up or is lost, the call is over; not where it has left by a transfer. */
  #watch(session: Session): void {
    void session.ended.then(async (end) => {
      if (!this.#sessions.includes(session)) return;
      this.#finish('ended', end);
      await this.end(end.reason);
    });
  }

  /** `next` takes the place of the side that asked for a transfer, which is to leave. */
  #replace(leaving: Session, next: Session): void {
    const staying = this.#sessions.find((session) => session !== leaving);
    if (staying === undefined || this.#over) {
      void next.end();
      return;
    }
    this.#sessions = [staying, next];
    this.#tie(staying, next);
    this.#tie(next, staying);
    this.#watch(next);
  }

  #tie(one: Session, other: Session): void {
    const { inDialog } = this.#parts;
    const replace = (next: Session): void => this.#replace(one, next);
    one.onModify = (offer) => modifyAcross(other, offer);
    one.onRequest = (request) => inDialog.answer(request, { one, other, route: this.#route, replace });
  }

  #finish(outcome: string, { by, reason }: SessionEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopTimer();
    const { journal, clock, reservation, ended } = this.#parts;
    reservation.release();
    const seconds = this.#began === 0 ? 0 : Math.round((clock.now() - this.#began) / 1000);
    journal.note('call-ended', { ...this.#facts(), outcome, by, why: reason, seconds });
    ended(this);
  }

  #facts(): { direction: string; partner: string; from: string; to: string } {
    const { direction, partner, local, remote } = this.#route;
    const [from, to] = direction === 'inbound' ? [remote.bare, local.bare] : [local.bare, remote.bare];
    return { direction, partner: partner.name, from, to };
  }
}

function nothing(): void {}

function isRinging(status: number): status is 180 | 181 | 182 | 183 {
  return status >= 180 && status <= 183;
}

async function modifyAcross(other: Session, offer: Sdp | undefined): Promise<ModifyAnswer> {
  const modified = await other.modify(offer);
  return 'reply' in modified ? { refuse: answerAcross(modified.reply) } : modified;
}
