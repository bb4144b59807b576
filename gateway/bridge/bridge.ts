import { type Address, foldDomain, wireDomain } from '../../policies/address.ts';
import { type Direction, judge, otherProtocol, presenceVisibility, type Verdict } from '../../policies/judge.ts';
import type { PartnerPolicy } from '../../policies/partner.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import type { PolicySet } from '../../policies/set.ts';
import { AddressBook } from './address-book.ts';
import { Contacts } from './contacts.ts';
import type { Crossing, Outcome } from './crossing.ts';
import { IqLedger } from './iq-ledger.ts';
import type { Journal } from './journal.ts';
import { type LimitedFlow, overLimit, PartnerLimits } from './limits.ts';
import { Outbox, type OutboxLimits } from './outbox.ts';
import type { OutboxStore } from './outbox-journal.ts';
import type { Route } from './outbox-route.ts';
import { PartnerTrust } from './partner-trust.ts';
import type { Edge, EdgeHost, Evidence, Home, HomeHost, Protocol, Taken, TrustVerdict } from './ports.ts';
import { PresenceRules } from './presence-rules.ts';
import { errorReply } from './reply.ts';
import type { Stanza, StanzaName } from './stanza.ts';
import { type Role, roleOf } from './stanza-kind.ts';
import { Tally } from './tally.ts';

export interface BridgeOptions {
  readonly homeDomains: readonly string[];
  readonly policies: PolicySet;
  readonly journal: Journal;
  /** ms since the epoch. */
  readonly now: () => number;
  /** Where what must not be lost is kept, and how much of it; without it nothing survives this process. */
  readonly outbox?: { readonly store: OutboxStore; readonly limits: OutboxLimits } | undefined;
}

const flows: Readonly<Record<StanzaName, LimitedFlow>> = { message: 'messages', presence: 'presence', iq: 'iq' };

/** The limit a stanza counts towards. Answers to IQs need none: no more of them cross than requests did. */
function flowOf(role: Role, { name, from, to, childNamespace }: Stanza): LimitedFlow | undefined {
  if (role === 'subscription-request') return 'subscriptions';
  // Servers ping each other to learn what arrived, many times a second under load: that is not their users' traffic.
  if (role === 'iq-request' && childNamespace === PING && !from.includes('@') && !to.includes('@')) return 'pings';
  return role === 'iq-answer' ? undefined : flows[name];
}

const PING = 'urn:xmpp:ping';

/** What takes something back: lost, it would leave somebody shown who has gone, or two rosters that disagree. */
const BETTER_LATE: ReadonlySet<string> = new Set(['unavailable', 'unsubscribe', 'unsubscribed']);

const refusal = (reason: ReasonCode, rule?: Verdict['rule']): Verdict => ({ verdict: 'refuse', reason, rule });

/**
 * The middle: judges everything that wants to cross by the partner's policy, reshapes it, passes it on or refuses it,
 * and answers for what was refused or lost. It knows stanzas and policies, and no wire.
 */
export class Bridge implements EdgeHost, HomeHost {
  readonly tally = new Tally();
  readonly #journal: Journal;
  readonly #now: () => number;
  readonly #homeDomains: ReadonlySet<string>;
  readonly #addresses = new AddressBook();
  readonly #limits = new PartnerLimits();
  readonly #contacts = new Contacts();
  readonly #iqs = new IqLedger();
  readonly #trust: PartnerTrust;
  readonly #presence: PresenceRules;
  readonly #outbox: Outbox | undefined;
  readonly #store: OutboxStore | undefined;
  #policies: PolicySet;
  #edge: Edge | undefined;
  #home: Home | undefined;

  constructor(options: BridgeOptions) {
    this.#journal = options.journal;
    this.#now = options.now;
    this.#policies = options.policies;
    this.#homeDomains = new Set(options.homeDomains.map((domain) => foldDomain(domain) ?? domain));
    this.#trust = new PartnerTrust(() => this.#policies);
    this.#presence = new PresenceRules(
      this.#contacts,
      (text) => this.#addresses.read(text),
      (domain) => this.isHome(domain),
    );
    const { outbox } = options;
    this.#store = outbox?.store;
    this.#outbox =
      outbox &&
      new Outbox(outbox.store, outbox.limits, {
        hand: (route, stanza) => this.#hand(route, stanza),
        keeps: ({ direction }) => direction === 'inbound' && this.#home?.keeps === true,
        undeliverable: (stanza, reason) => this.undeliverable(stanza, reason),
        relieved: ({ direction, home, partner }) => {
          if (direction === 'inbound') this.#relieveHome(partner);
          else this.#relievePartner(home, partner);
        },
        partnerName: (domain) => this.#policies.partnerOf(domain)?.name ?? domain,
        now: options.now,
      });
  }

  /** Ties the two sides on, and takes up what was accepted before the gateway last stopped; nothing crosses before. */
  connect(edge: Edge, home: Home): void {
    this.#edge = edge;
    this.#home = home;
    this.#outbox?.recover();
  }

  /** Hands on what is kept; to be called once both sides can take it. */
  start(): void {
    this.#refuseStrangers();
    this.#outbox?.start();
  }

  /** What the outbox holds, and how old it is, ms; for metrics. */
  get kept(): { kept: number; oldestMs: number } {
    return this.#outbox?.load ?? { kept: 0, oldestMs: 0 };
  }

  get policies(): PolicySet {
    return this.#policies;
  }

  /** Puts new policies in force. Users whom they hide are taken back from the partners that saw them. */
  replacePolicies(policies: PolicySet): void {
    this.#policies = policies;
    const partners = new Set(policies.partners.map(({ name }) => name));
    for (const kept of [this.#limits, this.#contacts, this.#iqs]) kept.retain(partners);
    for (const { partner, stanza } of this.#presence.retract(policies)) {
      const home = this.#domainOf(stanza.from);
      if (home !== undefined) this.#pass({ direction: 'outbound', home, partner }, stanza);
    }
    this.#refuseStrangers();
  }

  contacts(partner: string): number {
    return this.#contacts.count(partner);
  }

  isHome(domain: string): boolean {
    return this.#homeDomains.has(domain);
  }

  trust(domain: string, evidence: readonly Evidence[], via: Protocol = 'xmpp'): TrustVerdict {
    return this.#homeDomains.has(domain)
      ? { sufficient: false, reason: 'no-partner' }
      : this.#trust.judge(domain, evidence, via);
  }

  admitStream(domain: string): TrustVerdict {
    return this.#trust.admit(domain);
  }

  releaseStream(domain: string): void {
    this.#trust.release(domain);
  }

  samePartner(one: string, other: string): boolean {
    return this.#policies.partnerOf(one) === this.#policies.partnerOf(other);
  }

  inbound(partnerDomain: string, homeDomain: string, stanza: Stanza, via: Protocol = 'xmpp'): boolean {
    return this.#cross('inbound', partnerDomain, homeDomain, stanza, via);
  }

  answered(partnerDomain: string, homeDomain: string, error: Stanza): void {
    this.tally.count(this.#policies.partnerOf(partnerDomain)?.name ?? partnerDomain, 'inbound', error.name);
    this.#pass({ direction: 'inbound', home: homeDomain, partner: partnerDomain }, error);
  }

  outbound(partnerDomain: string, stanza: Stanza): boolean {
    const home = this.#domainOf(stanza.from);
    const partner = this.#domainOf(stanza.to);
    if (home === undefined || partner === undefined) {
      return this.#refuse('outbound', partnerDomain, home ?? '', stanza, refusal('address-malformed'));
    }
    if (this.isHome(home)) return this.#cross('outbound', partner, home, stanza);
    return this.#refuse('outbound', partnerDomain, home, stanza, refusal('domain-not-home'));
  }

  delivered(stanza: Stanza): void {
    if (this.#edge?.arrived !== undefined && stanza.name === 'message') this.#arrived(this.#edge, stanza);
    this.#outbox?.settle(stanza);
  }

  returned(stanzas: readonly Stanza[]): void {
    this.#outbox?.returned(stanzas);
  }

  whenKept(then: () => void): void {
    if (this.#store === undefined) then();
    else this.#store.whenKept(then);
  }

  /**
   * Something accepted cannot be delivered: its sender is told, once (RFC 6120 §10.4.3). False where the way to the
   * sender is to be spared.
   */
  undeliverable(stanza: Stanza, reason: ReasonCode): boolean {
    this.#outbox?.settle(stanza);
    const from = this.#addresses.read(stanza.from);
    const to = this.#addresses.read(stanza.to);
    const direction: Direction = this.isHome(from?.domain ?? '') ? 'outbound' : 'inbound';
    const [local, remote] = direction === 'outbound' ? [from, to] : [to, from];
    const [partner, home] = [remote?.domain ?? '', local?.domain ?? ''];
    const name = this.#policies.partnerOf(partner)?.name ?? partner;
    // The error below is the one answer to a request that is lost.
    if (stanza.name === 'iq' && from && to) this.#iqs.answered(name, to, from, stanza.id, this.#now());
    this.tally.count(name, direction, 'lost');
    this.#journal.refuse('stanza-undeliverable', reason, { direction, partner, home, ...facts(stanza) });
    return this.#answer(direction, partner, home, errorReply(stanza, reason));
  }

  roomForPartner(home: string, partner: string): void {
    if (this.#outbox === undefined) this.#relievePartner(home, partner);
    else this.#outbox.room({ direction: 'outbound', home, partner });
  }

  roomForHome(partner: string): void {
    if (this.#outbox === undefined) this.#relieveHome(partner);
    else this.#outbox.room({ direction: 'inbound', home: '', partner });
  }

  partnerUnreachable(home: string, partner: string, reason: ReasonCode): void {
    this.#outbox?.refuse({ direction: 'outbound', home, partner }, reason);
  }

  homeUnreachable(partner: string, reason: ReasonCode): void {
    this.#outbox?.refuse({ direction: 'inbound', home: '', partner }, reason);
  }

  /** Leaves no timer. What the outbox holds is taken up by the next {@link start}. */
  close(): void {
    this.#outbox?.close();
    this.#limits.close();
  }

  /** Tells the edge of a message that came from a partner. */
  #arrived(edge: Edge, message: Stanza): void {
    const home = this.#domainOf(message.to);
    const partner = this.#domainOf(message.from);
    if (home !== undefined && partner !== undefined && this.isHome(home)) edge.arrived?.(home, partner, message);
  }

  /** What is bound for a partner goes by the protocol that its policy names, where the edge carries that. */
  #outwardVia({ speaks }: PartnerPolicy): Protocol {
    return speaks !== 'auto' && this.#edge?.carries?.has(speaks) ? speaks : 'xmpp';
  }

  #cross(
    direction: Direction,
    partnerDomain: string,
    homeDomain: string,
    stanza: Stanza,
    inwardVia: Protocol = 'xmpp',
  ): boolean {
    const policy = this.#policies.partnerOf(partnerDomain);
    if (policy === undefined) return this.#refuse(direction, partnerDomain, homeDomain, stanza, refusal('no-partner'));
    const via = direction === 'inbound' ? inwardVia : this.#outwardVia(policy);
    const denied = otherProtocol(policy, via);
    if (denied !== undefined) return this.#refuse(direction, partnerDomain, homeDomain, stanza, denied);
    const from = this.#addresses.read(stanza.from);
    const to = this.#addresses.read(stanza.to);
    // A component link takes what is from its very domain and ends at any other spelling of it (XEP-0114 §3).
    const spelt = direction === 'outbound' || (from !== undefined && spells(stanza.from, from));
    if (from === undefined || to === undefined || !spelt) {
      return this.#refuse(direction, partnerDomain, homeDomain, stanza, refusal('address-malformed'));
    }
    const now = this.#now();
    const role = roleOf(stanza);
    const flow = flowOf(role, stanza);
    const borrow = stanza.name === 'presence' && BETTER_LATE.has(stanza.type);
    if (flow !== undefined && !this.#limits.take(policy, flow, direction, borrow)) {
      const verdict = refusal(overLimit[flow], flow === 'pings' ? undefined : policy.limits.rules[flow]);
      return this.#refuse(direction, partnerDomain, homeDomain, stanza, verdict);
    }
    const [local, remote] = direction === 'inbound' ? [to, from] : [from, to];
    const crossing = { direction, via, stanza, role, policy, partnerDomain, homeDomain, from, to, local, remote, now };
    const outcome = this.#judge(crossing);
    if ('pass' in outcome) {
      this.tally.count(policy.name, direction, stanza.name);
      return this.#pass({ direction, home: homeDomain, partner: partnerDomain }, outcome.pass);
    }
    this.#refused(direction, partnerDomain, stanza, outcome.refuse);
    const { answer } = outcome;
    if (answer === 'nothing') return true;
    const reply = answer === 'error' ? errorReply(stanza, outcome.refuse.reason) : answer;
    return this.#answer(direction, partnerDomain, homeDomain, reply);
  }

  /** What waits for who is no partner any more comes back. */
  #refuseStrangers(): void {
    this.#outbox?.refuseUnless((domain) => this.#policies.partnerOf(domain) !== undefined);
  }

  #judge(crossing: Crossing): Outcome {
    const { role, stanza, direction, via, policy, from, to, local, remote, now } = crossing;
    switch (role) {
      case 'message':
      case 'iq-request': {
        const kind = role === 'message' ? 'message' : 'iq';
        const verdict = judge(policy, {
          kind,
          direction,
          via,
          local,
          remote,
          bytes: stanza.bytes.length,
          namespace: stanza.childNamespace,
          at: now,
        });
        if (verdict.verdict === 'refuse') return { refuse: verdict, answer: 'error' };
        if (kind === 'iq') this.#iqs.opened(policy.name, from, to, stanza.id, now);
        const tells = kind === 'message' && direction === 'outbound';
        return { pass: tells ? this.#presence.hideOccupants(crossing, stanza) : stanza };
      }
      case 'iq-answer':
        if (!this.#iqs.answered(policy.name, from, to, stanza.id, now)) {
          return { refuse: refusal('iq-unsolicited'), answer: 'nothing' };
        }
        return this.#judgeIqAnswer(crossing);
      case 'malformed':
        return { refuse: refusal('stanza-malformed'), answer: 'error' };
      case 'error':
        return stanza.name === 'message' ? this.#judgeMessageError(crossing) : this.#presence.judgeError(crossing);
      default:
        return this.#presence.judge(crossing);
    }
  }

  /** The policy may have hidden the user since the request crossed; then the partner waits in vain, as for nobody. */
  #judgeIqAnswer({ stanza, policy, direction, local }: Crossing): Outcome {
    if (direction === 'inbound' || local.local === '') return { pass: stanza };
    const { show, rule } = presenceVisibility(policy, local);
    if (show !== undefined && show !== 'nothing') return { pass: stanza };
    return { refuse: refusal('presence-hidden', rule), answer: 'nothing' };
  }

  /**
   * An error comes back where messages go out, so it passes where either direction does, within the same size. Not
   * that of a hidden user: what cannot be delivered to a resource tells that it is not there (RFC 6121 §8.5.3.2).
   */
  #judgeMessageError({ stanza, policy, direction, local }: Crossing): Outcome {
    const { messages } = policy;
    const { show, rule } = presenceVisibility(policy, local);
    if (messages === undefined) return { refuse: refusal('policy-silent'), answer: 'nothing' };
    if (messages.allow === 'none') return { refuse: messages.denied, answer: 'nothing' };
    if (stanza.bytes.length > messages.maxBytes) return { refuse: messages.tooBig, answer: 'nothing' };
    const unseen = show === 'nothing' || (show === undefined && policy.presence.length > 0);
    if (direction === 'outbound' && unseen) {
      return { refuse: refusal('presence-hidden', rule), answer: 'nothing' };
    }
    return { pass: stanza };
  }

  #refuse(direction: Direction, partner: string, home: string, stanza: Stanza, verdict: Verdict): boolean {
    this.#refused(direction, partner, stanza, verdict);
    return this.#answer(direction, partner, home, errorReply(stanza, verdict.reason));
  }

  #refused(direction: Direction, partner: string, stanza: Stanza, { reason, rule }: Verdict): void {
    this.tally.count(this.#policies.partnerOf(partner)?.name ?? partner, direction, 'refused');
    this.#journal.refuse('stanza-refused', reason, { direction, partner, rule, ...facts(stanza) });
  }

  /** Sends an answer of ours back to where its cause came from. */
  #answer(direction: Direction, partner: string, home: string, reply: Stanza | undefined): boolean {
    if (reply === undefined) return true;
    return this.#pass({ direction: direction === 'outbound' ? 'inbound' : 'outbound', home, partner }, reply);
  }

  /** Takes a stanza on its way. What is for no partner of ours, such as an answer to a stranger, is kept nowhere. */
  #pass(route: Route, stanza: Stanza): boolean {
    if (route.direction === 'outbound' && stanza.type === 'error' && this.#edge?.answers?.(stanza)) return true;
    if (this.#outbox === undefined || this.#policies.partnerOf(route.partner) === undefined) {
      return this.#hand(route, stanza) === 'more';
    }
    return this.#outbox.put(route, stanza);
  }

  #hand({ direction, home, partner }: Route, stanza: Stanza): Taken {
    const taken =
      direction === 'inbound' ? this.#home?.deliver(partner, stanza) : this.#edge?.send(home, partner, stanza);
    return taken ?? 'none';
  }

  // Whichever side is relieved, either may have been waiting: with stanzas that pass, or with such as are answered.

  #relievePartner(home: string, partner: string): void {
    this.#home?.room(partner);
    this.#edge?.room(home, partner);
  }

  #relieveHome(partner: string): void {
    this.#home?.room(partner);
    for (const home of this.#homeDomains) this.#edge?.room(home, partner);
  }

  #domainOf(address: string): string | undefined {
    return this.#addresses.read(address)?.domain;
  }
}

/** Whether the domain of an address is written as its component link is called. */
function spells(text: string, { local, domain }: Address): boolean {
  const start = local === '' ? 0 : text.indexOf('@') + 1;
  const written = wireDomain(domain);
  const end = start + written.length;
  return text.startsWith(written, start) && (end === text.length || text[end] === '/');
}

/** What the log says of a stanza: who, to whom, of which sort. Never what it carries. */
function facts({ name, type, from, to, id, bytes }: Stanza): Record<string, unknown> {
  return { stanza: name, type, from, to, id, bytes: bytes.length };
}
