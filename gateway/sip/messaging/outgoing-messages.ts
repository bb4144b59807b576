import { parseAddress, wireBare } from '../../../policies/address.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Taken } from '../../bridge/ports.ts';
import type { Stanza } from '../../bridge/stanza.ts';
import type { StanzaError } from '../../interwork/error.ts';
import { errorStanza, writeError } from '../../interwork/error-stanza.ts';
import { crossLoop, readLoop, stripLoop } from '../../interwork/loop-marker.ts';
import { type ToMessageOptions, toFailureNotice, toMessage } from '../../interwork/page-message.ts';
import type { OutRequest, Reply } from '../port.ts';
import type { AnsweredMessage } from './answered-messages.ts';
import { lastingReason } from './lasting.ts';
import { lateErrorMessage } from './late-error.ts';
import type { MessagingContext } from './messaging-context.ts';
import { OutboundLane, type Outgoing } from './outbound-lane.ts';
import { pageSize } from './page-size.ts';

/** Pairs of domains spoken for at once: wildcards let a partner have many subdomains, not endlessly many. */
const LANES = 10_000;

/** What our users say to partners over SIP, one lane for each pair of domains. */
export class OutgoingMessages {
  readonly #context: MessagingContext;
  readonly #lanes = new Map<string, { readonly partner: string; readonly lane: OutboundLane }>();
  #closed = false;

  constructor(context: MessagingContext) {
    this.#context = context;
  }

  /** Messages waiting or under way. */
  get size(): number {
    let total = 0;
    for (const { lane } of this.#lanes.values()) total += lane.held;
    return total;
  }

  /** A message that is no error. */
  send(home: string, partner: string, stanza: Stanza): Taken {
    const { host, options } = this.#context;
    const marker = crossLoop(readLoop(stanza), options.name);
    if (typeof marker === 'string') {
      host.undeliverable(stanza, 'loop-detected');
      return 'more';
    }
    const made = toMessage(stripLoop(stanza), this.#wording(partner));
    if (made.ok) return this.#enqueue(home, partner, stanza, { ...made.request, hops: marker.hops });
    if (made.nothing) host.delivered(stanza);
    else this.#refuse(home, partner, stanza, made);
    return 'more';
  }

  /** Tells a partner's user of an error that came after its MESSAGE was accepted. */
  tellLate(home: string, partner: string, error: Stanza, subject: AnsweredMessage | undefined): Taken {
    const notice = toFailureNotice(error, this.#wording(partner));
    const request = notice.ok ? notice.request : lateErrorMessage(error, subject);
    if (request !== undefined) return this.#enqueue(home, partner, error, request);
    this.#context.host.delivered(error);
    return 'more';
  }

  /** A trunk has come up. */
  up(trunkDomain: string): void {
    const { host } = this.#context;
    for (const { partner, lane } of this.#lanes.values()) if (host.samePartner(partner, trunkDomain)) lane.up();
  }

  /** Something has changed: what could not be sent is tried at once. */
  renew(): void {
    for (const { lane } of this.#lanes.values()) lane.up();
  }

  /** Gives back what is not under way; resolves when nothing is, or after so many ms. */
  async close(limitMs: number): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#lanes.values()].map(({ lane }) => lane.close(limitMs)));
  }

  #wording(partner: string): ToMessageOptions {
    const { receipts, messageBytes } = this.#context.policyOf(partner);
    const asked = receipts ? { receipts: { now: new Date(this.#context.now()).toISOString() } } : {};
    return { size: pageSize, limit: messageBytes, numbersAt: partner, ...asked };
  }

  #enqueue(home: string, partner: string, stanza: Stanza, request: OutRequest): Taken {
    const lane = this.#lane(home, partner);
    if (lane === undefined) {
      if (this.#closed && stanza.kept !== undefined) return 'none';
      this.#context.host.undeliverable(stanza, this.#closed ? 'shutting-down' : 'queue-full');
      return 'more';
    }
    return lane.send({ stanza, request, conversation: conversationOf(stanza) });
  }

  #lane(home: string, partner: string): OutboundLane | undefined {
    const key = `${home} ${partner}`;
    const known = this.#lanes.get(key)?.lane;
    if (known !== undefined) return known;
    if (this.#lanes.size >= LANES) this.#sweep();
    if (this.#closed || this.#lanes.size >= LANES) return undefined;
    const { host, stack, options, clock, journal, random } = this.#context;
    const lane = new OutboundLane(
      {
        trunk: () => stack.trunkFor(partner),
        delivered: ({ stanza }) => host.delivered(stanza),
        rejected: (outgoing, reply) => this.#rejected(home, partner, outgoing, reply),
        undeliverable: (stanza, reason) => host.undeliverable(stanza, reason),
        returned: (stanzas) => host.returned(stanzas),
        room: () => host.roomForPartner(home, partner),
        unreachable: (reason) => host.partnerUnreachable(home, partner, reason),
        failed: (reply, retryMs) => {
          const why = lastingReason(reply) ?? 'remote-unreachable';
          journal.refuse('partner-unreachable', why, { home, partner, detail: reply.reason, retryMs });
        },
        random,
      },
      options.queue,
      clock,
    );
    this.#lanes.set(key, { partner, lane });
    return lane;
  }

  #sweep(): void {
    for (const [key, { lane }] of this.#lanes) if (lane.idle) this.#lanes.delete(key);
  }

  /** The final response is the partner's answer, and comes in as one (RFC 7247 §7.2). */
  #rejected(home: string, partner: string, { stanza }: Outgoing, { status, reason, headers }: Reply): void {
    const { journal } = this.#context;
    const facts = { direction: 'outbound', partner, home, from: stanza.from, to: stanza.to, id: stanza.id };
    journal.refuse('sip-refused', 'sip-rejected', { ...facts, status, detail: reason });
    const contact = headers.get('Contact');
    this.#answer(home, partner, stanza, errorStanza(wireForm(stanza), { status, reason, contact }));
  }

  /** It has no form in SIP: its sender is told why. */
  #refuse(
    home: string,
    partner: string,
    stanza: Stanza,
    { reason, ...error }: { reason: ReasonCode } & StanzaError,
  ): void {
    const { journal } = this.#context;
    const facts = { direction: 'outbound', partner, home, from: stanza.from, to: stanza.to, id: stanza.id };
    journal.refuse('sip-refused', reason, facts);
    this.#answer(home, partner, stanza, writeError(wireForm(stanza), error));
  }

  /** Both in one turn, so that the store has both or neither. */
  #answer(home: string, partner: string, stanza: Stanza, error: Stanza | undefined): void {
    const { host } = this.#context;
    if (error !== undefined) host.answered(partner, home, error);
    host.delivered(stanza);
  }
}

/** One conversation is what passes between two users, whatever their devices. */
function conversationOf({ from, to }: Stanza): string {
  return `${from.split('/', 1)[0]} ${to.split('/', 1)[0]}`;
}

/** The partner's address as its domain is written in XMPP: what answers for it must be spelt so. */
function wireForm(stanza: Stanza): Stanza {
  const to = parseAddress(stanza.to);
  if (to === undefined) return stanza;
  const local = stanza.to.slice(0, to.local === '' ? 0 : stanza.to.indexOf('@'));
  const domain = wireBare({ ...to, local: '' });
  const bare = local === '' ? domain : `${local}@${domain}`;
  return { ...stanza, to: to.resource === '' ? bare : `${bare}/${to.resource}` };
}
