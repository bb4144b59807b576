import type { SipRequest } from '../message/message.ts';
import { tagOf } from '../message/name-address.ts';
import type { Answer, Session, Trunk } from '../port.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import { refusalInDialog } from './admission.ts';
import { sdpOf } from './body.ts';
import { undecided } from './decision.ts';
import { overlapDelay } from './glare.ts';
import { IncomingRequest } from './incoming-request.ts';
import type { Leg } from './leg.ts';
import { refusalOfOffer } from './offer-answer.ts';
import { answer, later } from './respond.ts';
import { LEAST_INTERVAL, tooShort } from './session-timer.ts';

/** A session as the requests of its peer find it. */
export interface Receiving extends Leg {
  readonly trunk: Trunk;
  readonly session: Session;
  /** Our INVITE is under way, or our 2xx waits for its ACK. */
  readonly inviting: boolean;
  /** The gateway decides about a change that the peer asked for. */
  readonly deciding: boolean;
  /** Requests of the peer that wait for the gateway. */
  asked: number;
  /** The peer asks for a change. */
  inquire(transaction: ServerTransaction): void;
  /** Whether a PRACK is for a reliable provisional response of ours; it is acknowledged by it. */
  provisionalAcknowledged(transaction: ServerTransaction): boolean;
  peerHungUp(reason: string | undefined): void;
}

type Reception = (leg: Receiving, transaction: ServerTransaction) => void;

const receptions: ReadonlyMap<string, Reception> = new Map<string, Reception>([
  ['INVITE', invited],
  ['UPDATE', updated],
  ['PRACK', provisionalAcknowledged],
  ['OPTIONS', (leg, transaction) => transaction.respond(leg.success(transaction.request))],
  ['INFO', asked],
  ['MESSAGE', asked],
  ['REFER', asked],
  ['NOTIFY', asked],
]);

/** Takes a request that came within the dialog of a session (RFC 3261 §12.2.2). */
export function receive(leg: Receiving, transaction: ServerTransaction): void {
  const { request } = transaction;
  const refusal = refusalOf(leg, request);
  if (refusal === undefined) leg.dialog.flow = transaction.flow;
  if (refusal !== undefined) answer(transaction, refusal);
  else if (request.method === 'BYE') ended(leg, transaction);
  else (receptions.get(request.method) ?? unknown)(leg, transaction);
}

function refusalOf(leg: Receiving, request: SipRequest): Answer | undefined {
  const isBye = request.method === 'BYE';
  if (tagOf(request.from) !== leg.dialog.remoteTag) return { status: 481 };
  if (!leg.dialog.receive(request.cseq.number)) return { status: 500, reason: 'Out of Order' };
  if (leg.over && !isBye) return { status: 481 };
  return isBye ? undefined : refusalInDialog(request);
}

/** RFC 3261 §15.1.2; a BYE that crosses ours is answered all the same. */
function ended(leg: Receiving, transaction: ServerTransaction): void {
  answer(transaction, { status: 200 });
  leg.peerHungUp(transaction.request.headers.get('Reason'));
}

function unknown(_leg: Receiving, transaction: ServerTransaction): void {
  answer(transaction, { status: 405 });
}

/** A re-INVITE (RFC 3261 §14.2). */
function invited(leg: Receiving, transaction: ServerTransaction): void {
  const pending = leg.inviting || (!leg.confirmed && leg.dialog.initiator);
  if (pending || leg.offers === 'ours') answer(transaction, { status: 491 });
  else if (!leg.confirmed || leg.deciding || leg.offers === 'theirs') answer(transaction, overlap(leg));
  else if (tooShort(transaction.request.headers)) answer(transaction, intervalTooSmall);
  else leg.inquire(transaction);
}

/** RFC 3311 §5.2; without an offer it only refreshes. */
function updated(leg: Receiving, transaction: ServerTransaction): void {
  if (tooShort(transaction.request.headers)) answer(transaction, intervalTooSmall);
  else if (sdpOf(transaction.request) === undefined) transaction.respond(leg.success(transaction.request));
  else offered(leg, transaction);
}

/** RFC 3262 §3, §5. */
function provisionalAcknowledged(leg: Receiving, transaction: ServerTransaction): void {
  if (!leg.provisionalAcknowledged(transaction)) answer(transaction, { status: 481 });
  else if (sdpOf(transaction.request) === undefined) answer(transaction, { status: 200 });
  else offered(leg, transaction);
}

function offered(leg: Receiving, transaction: ServerTransaction): void {
  const status = refusalOfOffer(leg.offers) ?? (leg.inviting ? 491 : leg.deciding ? 500 : undefined);
  if (status === undefined) leg.inquire(transaction);
  else answer(transaction, status === 500 ? overlap(leg) : { status });
}

/** What the gateway answers: by default nobody is sent elsewhere, and nothing else is known. */
function asked(leg: Receiving, transaction: ServerTransaction): void {
  if (leg.asked >= leg.core.limits.pendingRequests) answer(transaction, overlap(leg));
  else void ask(leg, transaction);
}

async function ask(leg: Receiving, transaction: ServerTransaction): Promise<void> {
  const { trunk, session } = leg;
  const { request } = transaction;
  leg.asked += 1;
  // As with an offer: what comes right behind the ACK may be ahead of whoever waited for the ACK.
  if (session.onRequest === undefined) await new Promise(setImmediate);
  const byDefault: Answer = { status: request.method === 'REFER' ? 403 : 405 };
  const decided = Promise.try(() => session.onRequest?.(new IncomingRequest(trunk, request, session)));
  const answered = await decided.catch((error: unknown) => undecided(leg.core, error));
  leg.asked -= 1;
  answer(transaction, answered ?? byDefault);
}

function overlap(leg: Receiving): Answer {
  return later(500, overlapDelay(leg.core.random));
}

export const intervalTooSmall: Answer = { status: 422, headers: [['Min-SE', String(LEAST_INTERVAL)]] };
