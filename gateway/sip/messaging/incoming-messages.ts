import { parseAddress } from '../../../policies/address.ts';
import { codeOf } from '../../../policies/fault.ts';
import { type ReasonCode, reasons } from '../../../policies/reasons.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import { answerOf, readError } from '../../interwork/error-stanza.ts';
import { crossLoop, markLoop } from '../../interwork/loop-marker.ts';
import { toStanza } from '../../interwork/page-message.ts';
import { bodyParts } from '../message/multipart.ts';
import { ownCopy } from '../message/text.ts';
import { schemeOf } from '../message/uri.ts';
import type { Answer, Body, InRequest } from '../port.ts';
import { type AnsweredMessage, AnsweredMessages } from './answered-messages.ts';
import { AwaitedMessages, type Fate } from './awaited-messages.ts';
import { IntakeGate } from './intake-gate.ts';
import type { MessagingContext } from './messaging-context.ts';

/** What an error stanza from the home is about. */
export type ErrorSubject =
  /** Nothing that its sender must be told. */
  | 'nothing'
  /** A MESSAGE that had been accepted before: its sender is to be told by another. */
  | { readonly late: AnsweredMessage | undefined };

/** What our stanza ids begin with: an error with another id is about nothing that came in here. */
const OURS = 'sip-';
/** Both addresses of a stanza, bytes: errors about longer ones might break a stream, and are not sent (RFC 6120 §13.12). */
const ADDRESSES = 1_500;
/** When a sender that was turned away may try again, seconds. */
const RETRY_AFTER = '5';

const ALLOW: readonly [string, string] = ['Allow', 'MESSAGE, OPTIONS'];

/** MESSAGEs of partners: each becomes a stanza, and its final response tells what became of that. */
export class IncomingMessages {
  readonly #context: MessagingContext;
  readonly #awaited: AwaitedMessages;
  readonly #answered = new AnsweredMessages();
  readonly #gate: IntakeGate;
  #closed = false;

  constructor(context: MessagingContext) {
    this.#context = context;
    const { clock, options } = context;
    this.#awaited = new AwaitedMessages(clock, options.answerWithinMs);
    this.#gate = new IntakeGate(clock, options.answerWithinMs);
  }

  /** MESSAGEs without their final response. */
  get size(): number {
    return this.#awaited.size;
  }

  /** A request out of dialog. */
  async request(request: InRequest): Promise<Answer> {
    const { trunk, method, target, to } = request;
    if (method !== 'MESSAGE') return this.#refuse(request, 'sip-method', { headers: [ALLOW] });
    if (trunk.kind !== 'partner') return this.#refuse(request, 'no-partner');
    const { sipsToXmpp, receipts } = this.#context.policyOf(trunk.domain);
    if (!sipsToXmpp && (schemeOf(target) === 'sips' || schemeOf(to.uri) === 'sips')) {
      // RFC 7247 §8, RFC 5630 §5.
      const warning = `380 ${this.#context.options.name} "SIPS Not Allowed"`;
      return this.#refuse(request, 'sips-not-bridged', { headers: [['Warning', warning]] });
    }
    if (this.#closed || this.#awaited.full) return this.#refuse(request, 'queue-full', { headers: later() });

    const id = `${OURS}${this.#context.unique()}`;
    const read = toStanza(request, id, { numbersAt: trunk.domain, parts: partsOf, receipts, sips: sipsToXmpp });
    if (!read.ok)
      return read.answer.status < 300 ? read.answer : this.#refuse(request, 'sip-not-a-message', read.answer);
    const marker = crossLoop({ hops: request.hops, gateways: [] }, this.#context.options.name);
    if (typeof marker === 'string') return this.#refuse(request, 'loop-detected', { status: 483 });
    return this.#bringIn(request, markLoop(read.stanza, marker));
  }

  /** The home has taken it. */
  arrived({ id }: Stanza): void {
    if (!this.#awaited.has(id)) return;
    const { host } = this.#context;
    host.whenKept(() => this.#awaited.taken(id));
  }

  room(home: string, partner: string): void {
    this.#gate.open(`${home} ${partner}`);
  }

  /** Whether this error stanza is about a MESSAGE that came in here. */
  concerns({ id }: Stanza): boolean {
    return id.startsWith(OURS);
  }

  /** Answers the MESSAGE that waits for this error stanza; false where none does. */
  answers(error: Stanza): boolean {
    return this.#awaited.refused(error.id, error.bytes);
  }

  /** An error stanza on its way to the partner, about nothing that waits. */
  refused(error: Stanza): ErrorSubject {
    const { id } = error;
    if (!this.concerns(error)) return 'nothing';
    const answered = this.#answered.get(id);
    if (answered?.failed) return 'nothing';
    if (answered !== undefined) this.#answered.set(id, { ...answered, failed: true });
    return { late: answered };
  }

  /** Takes nothing more; what waits is answered by what is known of it. */
  close(): void {
    this.#closed = true;
    this.#gate.close();
    this.#awaited.close();
  }

  #bringIn(request: InRequest, stanza: Stanza): Promise<Answer> | Answer {
    const { host } = this.#context;
    const from = parseAddress(stanza.from);
    const to = parseAddress(stanza.to);
    if (from === undefined || to === undefined) return this.#refuse(request, 'address-malformed');
    if (stanza.from.length + stanza.to.length > ADDRESSES) {
      return this.#refuse(request, 'address-malformed', { status: 414, reason: 'Addresses Too Long' });
    }
    if (!host.samePartner(from.domain, request.trunk.domain)) return this.#refuse(request, 'sender-not-proven');
    if (!host.isHome(to.domain)) return this.#refuse(request, 'domain-not-home');

    const { promise, resolve } = Promise.withResolvers<Answer>();
    const { id, type } = stanza;
    const take = (): boolean => {
      // What a notification of failure becomes is an error, which nobody answers.
      const answered = type !== 'error';
      if (answered) this.#awaited.add(id, (fate) => resolve(this.#answer(request, id, to.resource === '', fate)));
      const more = host.inbound(from.domain, to.domain, stanza, 'sip');
      host.whenKept(() => (answered ? this.#awaited.kept(id) : resolve({ status: 200 })));
      return more;
    };
    const turnAway = () => resolve(this.#refuse(request, 'queue-full', { headers: later() }));
    this.#gate.enter(`${to.domain} ${from.domain}`, take, turnAway);
    return promise;
  }

  #answer(request: InRequest, id: string, bare: boolean, fate: Fate): Answer {
    const callId = ownCopy(request.callId);
    this.#answered.set(id, { callId, failed: fate.is === 'refused' || fate.is === 'unkept' });
    switch (fate.is) {
      case 'taken':
        return { status: 200 };
      case 'kept':
        return { status: 202 };
      case 'unkept':
        return this.#refuse(request, 'sip-not-kept');
      case 'refused':
        // Whoever refused it has said why in the log.
        return answerOf(readError({ bytes: fate.error }), { bare });
    }
  }

  #refuse(request: InRequest, reason: ReasonCode, answer: Partial<Answer> = {}): Answer {
    const { trunk, method, target, from, callId } = request;
    const full: Answer = { status: reasons[reason].sip, ...answer };
    const facts = { partner: trunk.domain, trunk: trunk.id, method, from: from.uri, to: target, callId };
    this.#context.journal.refuse('sip-refused', reason, { ...facts, status: full.status });
    return full;
  }
}

/** The parts of a multipart body; undefined where it is malformed. */
function partsOf({ type, content }: Body): readonly Body[] | undefined {
  try {
    return bodyParts(type, content);
  } catch (error) {
    if (codeOf(error) === 'internal') throw error;
    return undefined;
  }
}

function later(): readonly (readonly [string, string])[] {
  return [['Retry-After', RETRY_AFTER]];
}
