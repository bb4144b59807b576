import { foldDomain } from '../../policies/address.ts';
import { type Direction, judge, type Verdict } from '../../policies/judge.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import type { PolicySet } from '../../policies/set.ts';
import { AddressBook } from './address-book.ts';
import { Contacts } from './contacts.ts';
import type { Crossing, Outcome } from './crossing.ts';
import { IqLedger } from './iq-ledger.ts';
import type { Journal } from './journal.ts';
import { type LimitedFlow, overLimit, PartnerLimits } from './limits.ts';
import { PartnerTrust } from './partner-trust.ts';
import type { Edge, EdgeHost, Evidence, Home, HomeHost, TrustVerdict } from './ports.ts';
import { PresenceRules } from './presence-rules.ts';
import { errorReply } from './reply.ts';
import type { Stanza } from './stanza.ts';
import { type Role, roleOf } from './stanza-kind.ts';
import { Tally } from './tally.ts';

export interface BridgeOptions {
  readonly homeDomains: readonly string[];
  readonly policies: PolicySet;
  readonly journal: Journal;
  /** ms since the epoch. */
  readonly now: () => number;
}

const flowOf: Readonly<Record<Role, LimitedFlow | undefined>> = {
  message: 'messages',
  presence: 'presence',
  join: 'presence',
  probe: 'presence',
  'subscription-request': 'subscriptions',
  'subscription-answer': 'presence',
  'iq-request': 'iq',
  'iq-answer': undefined,
  error: undefined,
  malformed: undefined,
};

const refusal = (reason: ReasonCode, rule?: Verdict['rule']): Verdict => ({ verdict: 'refuse', reason, rule });
const ALLOWED_ERRORS: Verdict = refusal('policy-silent');

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
  }

  /** Ties the two sides on; nothing crosses before. */
  connect(edge: Edge, home: Home): void {
    this.#edge = edge;
    this.#home = home;
  }

  get policies(): PolicySet {
    return this.#policies;
  }

  /** Puts new policies in force. Users whom they hide are taken back from the partners that saw them. */
  replacePolicies(policies: PolicySet): void {
    this.#policies = policies;
    this.#limits.retain(new Set(policies.partners.map(({ name }) => name)));
    for (const { partner, stanza } of this.#presence.retract(policies)) {
      const home = this.#domainOf(stanza.from);
      if (home !== undefined) this.#edge?.send(home, partner, stanza);
    }
  }

  contacts(partner: string): number {
    return this.#contacts.count(partner);
  }

  isHome(domain: string): boolean {
    return this.#homeDomains.has(domain);
  }

  trust(domain: string, evidence: readonly Evidence[]): TrustVerdict {
    return this.#homeDomains.has(domain)
      ? { sufficient: false, reason: 'no-partner' }
      : this.#trust.judge(domain, evidence);
  }

  admitStream(domain: string): boolean {
    return this.#trust.admit(domain);
  }

  releaseStream(domain: string): void {
    this.#trust.release(domain);
  }

  inbound(partnerDomain: string, homeDomain: string, stanza: Stanza): boolean {
    return this.#cross('inbound', partnerDomain, homeDomain, stanza);
  }

  outbound(partnerDomain: string, stanza: Stanza): boolean {
    const home = this.#domainOf(stanza.from);
    const partner = this.#domainOf(stanza.to);
    if (home !== undefined && this.isHome(home) && partner !== undefined)
      return this.#cross('outbound', partner, home, stanza);
    this.#refused(
      'outbound',
      partnerDomain,
      stanza,
      refusal(home === undefined ? 'address-malformed' : 'domain-not-home'),
    );
    return this.#answer('outbound', partnerDomain, home ?? '', errorReply(stanza, 'domain-not-home'));
  }

  /** Something accepted cannot be delivered: its sender is told, once (RFC 6120 §10.4.3). */
  undeliverable(stanza: Stanza, reason: ReasonCode): void {
    const from = this.#domainOf(stanza.from) ?? '';
    const to = this.#domainOf(stanza.to) ?? '';
    const direction: Direction = this.isHome(from) ? 'outbound' : 'inbound';
    const [partner, home] = direction === 'outbound' ? [to, from] : [from, to];
    this.tally.count(this.#policies.partnerOf(partner)?.name ?? partner, direction, 'lost');
    this.#journal.refuse('stanza-undeliverable', reason, { direction, partner, home, ...facts(stanza) });
    this.#answer(direction, partner, home, errorReply(stanza, reason));
  }

  /** Both ports have this: with two arguments the edge speaks, with one the home. */
  room(first: string, second?: string): void {
    if (second !== undefined) this.#home?.room(second);
    else for (const home of this.#homeDomains) this.#edge?.room(home, first);
  }

  #cross(direction: Direction, partnerDomain: string, homeDomain: string, stanza: Stanza): boolean {
    const policy = this.#policies.partnerOf(partnerDomain);
    if (policy === undefined) return this.#refuse(direction, partnerDomain, homeDomain, stanza, refusal('no-partner'));
    const from = this.#addresses.read(stanza.from);
    const to = this.#addresses.read(stanza.to);
    if (from === undefined || to === undefined) {
      return this.#refuse(direction, partnerDomain, homeDomain, stanza, refusal('address-malformed'));
    }
    const now = this.#now();
    const role = roleOf(stanza);
    const flow = flowOf[role];
    if (flow !== undefined && !this.#limits.take(policy, flow, direction, now)) {
      return this.#refuse(
        direction,
        partnerDomain,
        homeDomain,
        stanza,
        refusal(overLimit[flow], policy.limits.rules[flow]),
      );
    }
    const [local, remote] = direction === 'inbound' ? [to, from] : [from, to];
    const crossing = { direction, stanza, role, policy, partnerDomain, homeDomain, from, to, local, remote, now };
    const outcome = this.#judge(crossing);
    if ('pass' in outcome) {
      this.tally.count(policy.name, direction, stanza.name);
      if (direction === 'inbound') return this.#home?.deliver(partnerDomain, outcome.pass) ?? true;
      return this.#edge?.send(homeDomain, partnerDomain, outcome.pass) ?? true;
    }
    this.#refused(direction, partnerDomain, stanza, outcome.refuse);
    const { answer } = outcome;
    if (answer === 'nothing') return true;
    const reply = answer === 'error' ? errorReply(stanza, outcome.refuse.reason) : answer;
    return this.#answer(direction, partnerDomain, homeDomain, reply);
  }

  #judge(crossing: Crossing): Outcome {
    const { role, stanza, direction, policy, from, to, local, remote, now } = crossing;
    switch (role) {
      case 'message':
      case 'iq-request': {
        const kind = role === 'message' ? 'message' : 'iq';
        const verdict = judge(policy, {
          kind,
          direction,
          via: 'xmpp',
          local,
          remote,
          bytes: stanza.bytes.length,
          namespace: stanza.childNamespace,
          at: now,
        });
        if (verdict.verdict === 'refuse') return { refuse: verdict, answer: 'error' };
        if (kind === 'iq') this.#iqs.opened(from, to, stanza.id, now);
        return { pass: stanza };
      }
      case 'iq-answer':
        if (this.#iqs.answered(from, to, stanza.id, now)) return { pass: stanza };
        return { refuse: refusal('iq-unsolicited'), answer: 'nothing' };
      case 'malformed':
        return { refuse: refusal('stanza-malformed'), answer: 'error' };
      case 'error':
        return stanza.name === 'message' ? this.#judgeMessageError(crossing) : this.#presence.judgeError(crossing);
      default:
        return this.#presence.judge(crossing);
    }
  }

  /** An error comes back where messages go out, so it passes where either direction does, within the same size. */
  #judgeMessageError({ stanza, policy }: Crossing): Outcome {
    const { messages } = policy;
    if (messages === undefined || messages.allow === 'none') return { refuse: ALLOWED_ERRORS, answer: 'nothing' };
    if (stanza.bytes.length > messages.maxBytes) return { refuse: messages.tooBig, answer: 'nothing' };
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
    if (direction === 'outbound') return this.#home?.deliver(partner, reply) ?? true;
    return this.#edge?.send(home, partner, reply) ?? true;
  }

  #domainOf(address: string): string | undefined {
    return this.#addresses.read(address)?.domain;
  }
}

/** What the log says of a stanza: who, to whom, of which sort. Never what it carries. */
function facts({ name, type, from, to, id, bytes }: Stanza): Record<string, unknown> {
  return { stanza: name, type, from, to, id, bytes: bytes.length };
}
