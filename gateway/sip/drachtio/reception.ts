import { asFault } from '../../../policies/fault.ts';
import type { Journal } from '../../bridge/journal.ts';
import { refusalOf } from '../dialog/admission.ts';
import { IncomingRequest } from '../dialog/incoming-request.ts';
import { ALLOW, SUPPORTED } from '../dialog/request.ts';
import { later } from '../dialog/respond.ts';
import { readEvent, requestedSeconds } from '../dialog/subscription-state.ts';
import { tagOf } from '../message/name-address.ts';
import type { Answer, SubscribeAnswer } from '../port.ts';
import { Arrival, readRequest } from './arrival.ts';
import type { DialogOwner, Ground } from './ground.ts';
import { DrachtioInCall } from './in-call.ts';
import type { LibraryRequest, LibraryResponse } from './library.ts';
import { DrachtioNotifier } from './notifier.ts';
import type { SenderTable } from './sender-table.ts';
import type { DrachtioTrunk } from './trunk.ts';

export interface ReceptionParts {
  readonly ground: Ground;
  readonly table: SenderTable<DrachtioTrunk>;
  /** By id. */
  readonly trunk: (id: string) => DrachtioTrunk | undefined;
  readonly journal: Journal;
  readonly draining: () => boolean;
}

/** Seconds after which a caller whom we turn away for load, or because we stop, may come again. */
const RETRY_AFTER_S = 10;
/** Methods that make sense out of dialog and are the gateway's; the others find no dialog: 481. */
const outOfDialog: ReadonlySet<string> = new Set(['MESSAGE', 'REFER', 'PUBLISH']);

/** Where what peers send comes in: read by our own parser, placed, and brought to its dialog or to the gateway. */
export class Reception {
  readonly #parts: ReceptionParts;
  #asked = 0;

  constructor(parts: ReceptionParts) {
    this.#parts = parts;
  }

  /** Requests out of dialog that wait for the gateway. */
  get asked(): number {
    return this.#asked;
  }

  /** Must not throw: drachtio-srf would end the connection, and with it all calls. */
  arrived(library: LibraryRequest, response: LibraryResponse): void {
    try {
      this.#take(library, response);
    } catch (error) {
      const { code, message } = asFault(error);
      this.#parts.journal.refuse('sip-refused', code, { address: library.source_address, detail: message });
      if (library.method !== 'ACK') response.send(500, 'Server Internal Error', {}, () => undefined);
    }
  }

  #take(library: LibraryRequest, response: LibraryResponse): void {
    const read = readRequest(library.raw);
    if (read === undefined || read.fault !== undefined) {
      const { status, reason } = read?.fault ?? { status: 400, reason: 'Bad Request' };
      if (library.method !== 'ACK') response.send(status, reason, {}, () => undefined);
      return;
    }
    const arrival = new Arrival(library, response, read.request, this.#parts.ground.guarded);
    const owner = this.#ownerOf(arrival);
    if (library.method === 'ACK') owner?.acknowledged(read.request);
    else if (library.source === 'application') owner?.expired(read.request);
    else if (owner !== undefined) this.#inDialog(arrival, owner);
    else if (tagOf(read.request.to) !== '') arrival.answer({ status: 481 });
    else this.#outOfDialog(arrival);
  }

  #ownerOf({ dialogId, request }: Arrival): DialogOwner | undefined {
    const { dialogs, awaited } = this.#parts.ground;
    const known = dialogId === '' ? undefined : dialogs.get(dialogId);
    if (known !== undefined || request.method !== 'NOTIFY') return known;
    const early = awaited.get(tagOf(request.to));
    return early?.callId === request.callId ? early : undefined;
  }

  /** A dialog of another trunk is one that nobody knows. */
  #inDialog(arrival: Arrival, owner: DialogOwner): void {
    const trunk = this.#parts.trunk(owner.trunk.id);
    if (trunk === undefined || !this.#parts.table.isFrom(trunk, arrival)) {
      arrival.answer({ status: 481 });
      return;
    }
    trunk.received(arrival.request);
    // Whoever was given the dialog in this turn shall be able to say what it wants to hear of it.
    setImmediate(() => {
      this.#parts.ground.guarded(
        () => owner.requested(arrival),
        (code) => arrival.answer({ status: code === 'sip-malformed' ? 400 : 500 }),
      );
    });
  }

  #outOfDialog(arrival: Arrival): void {
    const { request, address } = arrival;
    const placed = this.#parts.table.place(arrival, request);
    if (!placed.ok) {
      const { status, text, reason, nearest, detail } = placed.refusal;
      const { method } = request;
      this.#parts.journal.refuse('sip-refused', reason, { address, method, from: request.from.uri, nearest, detail });
      arrival.answer({ status, reason: text });
      return;
    }
    const { trunk } = placed;
    trunk.received(request);
    const refusal = refusalOf(request);
    if (refusal !== undefined) arrival.answer(refusal);
    else if (request.method === 'INVITE') this.#invited(arrival, trunk);
    else if (request.method === 'OPTIONS') this.#optionsAsked(arrival, trunk);
    else if (request.method === 'SUBSCRIBE') this.#subscribed(arrival, trunk);
    else if (outOfDialog.has(request.method)) void this.#requested(arrival, trunk);
    else arrival.answer({ status: 481 });
  }

  #invited(arrival: Arrival, trunk: DrachtioTrunk): void {
    const { owners, limits } = this.#parts.ground;
    if (this.#parts.draining() || owners.size >= limits.calls) arrival.answer(later(503, RETRY_AFTER_S));
    else this.#parts.ground.handlers().invite(new DrachtioInCall(this.#parts.ground, trunk, arrival));
  }

  /** RFC 3261 §11.2. */
  #optionsAsked(arrival: Arrival, trunk: DrachtioTrunk): void {
    if (this.#parts.draining() || trunk.state === 'draining') arrival.answer(later(503, RETRY_AFTER_S));
    else {
      const headers = [
        ['Allow', ALLOW],
        ['Accept', 'application/sdp'],
        ['Supported', SUPPORTED],
      ] as const;
      arrival.answer({ status: 200, headers });
    }
  }

  async #requested(arrival: Arrival, trunk: DrachtioTrunk): Promise<void> {
    if (this.#asked >= this.#parts.ground.limits.calls) {
      arrival.answer(later(503, RETRY_AFTER_S));
      return;
    }
    this.#asked += 1;
    const request = new IncomingRequest(trunk, arrival.request);
    const decided = await Promise.try(() => this.#parts.ground.handlers().request(request)).catch(
      (): Answer => ({ status: 500 }),
    );
    this.#asked -= 1;
    arrival.answer(decided);
  }

  #subscribed(arrival: Arrival, trunk: DrachtioTrunk): void {
    const { request } = arrival;
    const seconds = requestedSeconds(request);
    if (readEvent(request.headers.get('Event')) === undefined) arrival.answer({ status: 489 });
    else if (request.contact === undefined) arrival.answer({ status: 400, reason: 'No Contact' });
    else if (typeof seconds === 'object') arrival.answer(seconds);
    else if (this.#parts.draining() || this.#parts.ground.owners.size >= this.#parts.ground.limits.calls) {
      arrival.answer(later(503, RETRY_AFTER_S));
    } else void this.#subscribe(arrival, trunk, seconds);
  }

  async #subscribe(arrival: Arrival, trunk: DrachtioTrunk, asked: number): Promise<void> {
    const { request } = arrival;
    const eventText = request.headers.get('Event') ?? '';
    const incoming = Object.assign(new IncomingRequest(trunk, request), { event: eventText, expires: asked });
    const decided = await Promise.try(() => this.#parts.ground.handlers().subscribe(incoming)).catch(
      (): SubscribeAnswer => ({ accept: false, answer: { status: 500 } }),
    );
    if (!decided.accept) {
      arrival.answer(decided.answer);
      return;
    }
    const most = decided.expires;
    const seconds = Math.min(most, asked);
    const event = readEvent(eventText) ?? { type: eventText, id: '' };
    arrival.answer({ status: 200, headers: [['Expires', String(seconds)]] }, (sent) => {
      const dialogId = sent instanceof Error ? undefined : sent.dialogId;
      if (dialogId === undefined) return;
      decided.notifier(new DrachtioNotifier(this.#parts.ground, trunk, request, { dialogId, event, seconds, most }));
    });
  }
}
