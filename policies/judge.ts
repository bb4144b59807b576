import type { Address } from './address.ts';
import type { Place } from './fault.ts';
import type { CallsRule, PartnerPolicy, PresenceRule, Written } from './partner.ts';
import type { Show } from './schema/traffic.ts';
import { classify, isTelephoneNumber, userOfNumber } from './telephone-number.ts';
import { type Consideration, type Direction, type Kind, type Question, refuse, type Verdict } from './verdict.ts';

export type { Show } from './schema/traffic.ts';
export type { Consideration, Direction, Kind, Question, Verdict } from './verdict.ts';

/** How much of a local user a partner sees, and the line that says so. */
export interface Visibility {
  /** Undefined where no rule names the user. */
  readonly show: Show | undefined;
  readonly rule: Place | undefined;
}

const NO_PARTNER = refuse('no-partner');
const SILENT = refuse('policy-silent');
const HIDDEN_BY_SILENCE = refuse('presence-hidden');
const UNSEEN: Visibility = Object.freeze({ show: undefined, rule: undefined });

/**
 * Judges one crossing by the partner's policy: default deny, and of presence rules the first that names the local user
 * decides. Pure, and without allocation unless `considered` is given, to which every rule looked at is added.
 */
export function judge(partner: PartnerPolicy | undefined, question: Question, considered?: Consideration[]): Verdict {
  if (partner === undefined) return NO_PARTNER;
  const denied = otherProtocol(partner, question.via);
  if (denied === undefined) return judges[question.kind](partner, question, considered);
  considered?.push(speaksConsidered(partner, question.via, denied));
  return denied;
}

/** The refusal of a protocol that the partner does not speak by its policy; undefined where it does. */
export function otherProtocol({ speaks, otherProtocol }: PartnerPolicy, via: Question['via']): Verdict | undefined {
  return speaks === 'auto' || speaks === via ? undefined : otherProtocol;
}

/** What a partner sees of a local user. */
export function presenceVisibility(
  partner: PartnerPolicy | undefined,
  local: Address,
  considered?: Consideration[],
): Visibility {
  const rule = partner === undefined ? undefined : ruleOf(partner, local, considered);
  return rule === undefined ? UNSEEN : rule.visibility;
}

type Judge = (partner: PartnerPolicy, question: Question, considered?: Consideration[]) => Verdict;

const judges: Readonly<Record<Kind, Judge>> = {
  message: judgeMessage,
  presence: judgePresence,
  subscription: judgeSubscription,
  iq: judgeIq,
  call: judgeCall,
  transfer: judgeCall,
  join: judgeJoin,
};

function judgeMessage(partner: PartnerPolicy, { direction, bytes }: Question, considered?: Consideration[]): Verdict {
  const rule = partner.messages;
  if (rule === undefined) {
    considered?.push(absent(partner, 'messages', 'silence is no'));
    return SILENT;
  }
  if (rule.allow !== 'both' && rule.allow !== direction) {
    considered?.push(weighed(rule, false, `messages may cross ${wayOf(rule.allow)}, this one is ${direction}`));
    return rule.denied;
  }
  if (bytes !== undefined && bytes > rule.maxBytes) {
    considered?.push(weighed(rule, false, `${bytes} bytes are more than ${rule.maxBytes}`));
    return rule.tooBig;
  }
  considered?.push(weighed(rule, true, `${direction} messages may cross`));
  return rule.allowed;
}

function judgePresence(partner: PartnerPolicy, { direction, local }: Question, considered?: Consideration[]): Verdict {
  const rule = ruleOf(partner, local, considered);
  if (rule === undefined) return SILENT;
  return direction === 'outbound' ? rule.outbound : rule.inbound;
}

/** Either way: a server repeats its user's unanswered requests at each log-in, which tells when a hidden user comes. */
function judgeSubscription(partner: PartnerPolicy, { local }: Question, considered?: Consideration[]): Verdict {
  return ruleOf(partner, local, considered)?.request ?? SILENT;
}

/** To join a room is to be seen in it: outbound the local user is, inbound the room. */
function judgeJoin(partner: PartnerPolicy, { direction, local }: Question, considered?: Consideration[]): Verdict {
  const rule = ruleOf(partner, local, considered);
  if (rule === undefined) return SILENT;
  return direction === 'outbound' ? rule.outbound : rule.request;
}

function judgeIq(partner: PartnerPolicy, question: Question, considered?: Consideration[]): Verdict {
  const { local, namespace = '' } = question;
  const verdict = partner.iq.namespaces.get(namespace);
  considered?.push(iqConsidered(partner, namespace, verdict !== undefined));
  if (verdict === undefined) return partner.iq.denied;
  // A client that answers shows that it is there, and so does one that asks: clients query a contact by themselves.
  if (local.local === '') return verdict;
  const rule = ruleOf(partner, local, considered);
  if (rule === undefined) return HIDDEN_BY_SILENCE;
  return rule.show === 'nothing' ? rule.outbound : verdict;
}

function judgeCall(
  partner: PartnerPolicy,
  { kind, direction, local }: Question,
  considered?: Consideration[],
): Verdict {
  const rule = partner.calls;
  if (rule === undefined) {
    considered?.push(absent(partner, 'calls', 'silence is no'));
    return SILENT;
  }
  if (rule.allow !== 'both' && rule.allow !== direction) {
    considered?.push(weighed(rule, false, `calls may go ${wayOf(rule.allow)}, this one is ${direction}`));
    return rule.denied;
  }
  if (kind === 'transfer' && rule.transfer.verdict === 'refuse') {
    considered?.push(weighed(rule, false, 'the partner may transfer no calls'));
    return rule.transfer;
  }
  considered?.push(weighed(rule, true, `${direction} calls may cross`));
  if (direction === 'outbound' || !isTelephoneNumber(local.local)) return rule.allowed;
  return userOfNumber(partner.numbers, local.local) ? rule.allowed : judgeNumber(rule, local.local, considered);
}

/** A number beyond the local users: the first line of `destinations` that means it decides. */
function judgeNumber(rule: CallsRule, number: string, considered?: Consideration[]): Verdict {
  const { kind, country } = classify(number);
  for (const destination of rule.destinations) {
    const meant = destination.countries === undefined || (country !== undefined && destination.countries.has(country));
    const matched = meant && destination.kinds.has(kind);
    considered?.push(weighed(destination, matched, `${number} is ${kind}, ${country ?? 'of no country'}`));
    if (matched) return destination.verdict;
  }
  return rule.noDestination;
}

function ruleOf(partner: PartnerPolicy, local: Address, considered?: Consideration[]): PresenceRule | undefined {
  for (const rule of partner.presence) {
    const matched = rule.local.matches(local);
    considered?.push(weighed(rule, matched, `${rule.who} ${matched ? 'means' : 'does not mean'} ${local.bare}`));
    if (matched) return rule;
  }
  if (partner.presence.length === 0) considered?.push(absent(partner, 'presence', 'silence is no'));
  return undefined;
}

function iqConsidered(partner: PartnerPolicy, namespace: string, matched: boolean): Consideration {
  const why = `${namespace === '' ? 'an IQ without a namespace' : namespace} is ${matched ? '' : 'not '}among them`;
  const { written } = partner.iq;
  if (written !== undefined) return weighed(written, matched, why);
  return { ...absent(partner, 'iq', `ping, disco and version by default: ${why}`), matched };
}

function speaksConsidered({ speaks, place }: PartnerPolicy, via: string, { rule }: Verdict): Consideration {
  const { file, line } = rule ?? place;
  return { file, line, rule: `speaks: ${speaks}`, matched: false, why: `this comes by ${via}` };
}

function weighed({ place, text }: Written, matched: boolean, why: string): Consideration {
  return { file: place.file, line: place.line, rule: text, matched, why };
}

function absent({ place }: PartnerPolicy, section: string, why: string): Consideration {
  return {
    file: place.file,
    line: place.line,
    rule: `${section}: (absent here and in defaults.yaml)`,
    matched: false,
    why,
  };
}

function wayOf(allowed: Direction | 'none'): string {
  return allowed === 'none' ? 'neither way' : `${allowed} only`;
}
