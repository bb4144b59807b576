import type { Place } from '../../../policies/fault.ts';
import type { DestinationRule, Flow, PartnerPolicy, PresenceRule } from '../../../policies/partner.ts';
import { iqAliases } from '../../../policies/schema/traffic.ts';
import type { TrustDemand } from '../../../policies/trust.ts';
import type { Verdict } from '../../../policies/verdict.ts';
import { trunkClauses } from './trunk-words.ts';

/** One sentence of a policy, and the line it comes from: undefined where silence or a built-in default decides. */
export interface Clause {
  readonly text: string;
  readonly place: Place | undefined;
}

/** What a policy says of one thing. */
export interface Chapter {
  readonly title: string;
  readonly clauses: readonly Clause[];
}

const SILENCE = 'silence is no';
const AS_EVER = 'by default';

/** A partner's policy in words, chapter by chapter, as it is in force with what it has of defaults.yaml. */
export function policyInWords(partner: PartnerPolicy): Chapter[] {
  return [
    {
      title: 'Domains',
      clauses: [...partner.claims].map(([pattern, place]) => ({ text: domainWords(pattern), place })),
    },
    { title: 'Protocol', clauses: [{ text: speaksWords(partner), place: partner.otherProtocol.rule }] },
    ...trunk(partner),
    { title: 'Proof of identity', clauses: [{ text: trustWords(partner.trust), place: partner.trust.rule }] },
    { title: 'Who sees whom: the first line that names the local user decides', clauses: presence(partner) },
    { title: 'Messages', clauses: messages(partner) },
    { title: 'Requests (IQ)', clauses: iq(partner) },
    { title: 'Limits', clauses: limits(partner) },
    { title: 'Calls', clauses: calls(partner) },
  ];
}

function domainWords(pattern: string): string {
  return pattern.startsWith('*.') ? `every domain below ${pattern.slice(2)}` : pattern;
}

function speaksWords({ speaks }: PartnerPolicy): string {
  return { xmpp: 'XMPP only', sip: 'SIP only', auto: 'XMPP or SIP, as DNS tells' }[speaks];
}

/** Who may as well be an XMPP domain, and says nothing of a trunk, has none to speak of. */
function trunk(partner: PartnerPolicy): Chapter[] {
  const spoken = partner.speaks === 'sip' || partner.trunk !== undefined;
  return spoken ? [{ title: 'SIP trunk', clauses: trunkClauses(partner) }] : [];
}

/** `certificate or dialback`, `certificate and dialback`, `nothing`. */
export function trustWords({ mode, methods }: TrustDemand): string {
  if (methods.length === 0) return 'nothing proves it: no stream is accepted';
  return methods.join(mode === 'all' ? ' and ' : ' or ');
}

function presence({ presence: rules }: PartnerPolicy): Clause[] {
  const last = { text: `of everybody else: nothing (${SILENCE})`, place: undefined };
  const clauses = rules.map((rule) => ({ text: presenceWords(rule), place: rule.place }));
  return rules.some(({ who }) => unquoted(who) === '*') ? clauses : [...clauses, last];
}

function presenceWords({ who, show }: PresenceRule): string {
  const seen = {
    nothing: 'nothing: no presence, no subscription, no answer',
    availability: 'online or not',
    status: 'online or not, away and busy, and the status text',
    full: 'the whole presence',
  }[show];
  return `of ${whose(unquoted(who))}: ${seen}`;
}

function whose(who: string): string {
  if (who === '*') return 'everybody';
  if (who.startsWith('group:')) return `the group ${who.slice('group:'.length)}`;
  return who.startsWith('*@') ? `everybody at ${who.slice(2)}` : who;
}

function unquoted(written: string): string {
  return written.replace(/^(["'])(.*)\1$/, '$2');
}

function messages({ messages: rule }: PartnerPolicy): Clause[] {
  if (rule === undefined) return [{ text: `none cross (${SILENCE})`, place: undefined }];
  const way = {
    both: 'both ways',
    inbound: 'only from them to us',
    outbound: 'only from us to them',
    none: 'none cross',
  };
  return [
    { text: way[rule.allow], place: rule.allowed.rule },
    ...(rule.allow === 'none' ? [] : [{ text: `of at most ${rule.maxBytes} bytes`, place: rule.tooBig.rule }]),
  ];
}

function iq({ iq: rule }: PartnerPolicy): Clause[] {
  const byPlace = Map.groupBy(
    rule.namespaces,
    ([, { rule: place }]) => `${place?.file}:${place?.line}:${place?.column}`,
  );
  const clauses = [...byPlace.values()].map((group) => ({
    text: aliasesOf(group.map(([namespace]) => namespace)).join(', '),
    place: group[0]?.[1].rule,
  }));
  const suffix = rule.written === undefined ? ` (${AS_EVER})` : '';
  return clauses.length === 0
    ? [{ text: 'none cross', place: rule.denied.rule }]
    : clauses.map(({ text, place }) => ({ text: `${text}${suffix}`, place }));
}

/** Namespaces by their short names, where all that the name stands for are there. */
function aliasesOf(namespaces: readonly string[]): string[] {
  const short = Object.entries(iqAliases).filter(([, all]) => all.every((one) => namespaces.includes(one)));
  const covered = new Set(short.flatMap(([, all]) => all));
  return [...short.map(([name]) => name), ...namespaces.filter((one) => !covered.has(one))];
}

function limits({ limits: all }: PartnerPolicy): Clause[] {
  const flow = (name: 'messages' | 'presence' | 'iq' | 'subscriptions', noun: string): Clause => ({
    text: all[name] === undefined ? `${noun}: as many as come` : `${noun}: ${flowWords(all[name])}`,
    place: all.rules[name],
  });
  return [
    flow('messages', 'messages'),
    flow('presence', 'presence changes'),
    flow('iq', 'requests'),
    flow('subscriptions', 'subscription requests'),
    {
      text: `streams at a time: ${all.connections}${all.rules.connections === undefined ? ` (${AS_EVER})` : ''}`,
      place: all.rules.connections,
    },
    { text: `contacts: ${all.contacts ?? 'as many as come'}`, place: all.rules.contacts },
  ];
}

const periods: ReadonlyMap<number, string> = new Map([
  [1_000, 'second'],
  [60_000, 'minute'],
  [3_600_000, 'hour'],
  [86_400_000, 'day'],
]);

function flowWords({ count, periodMs, burst }: Flow): string {
  return `${count} a ${periods.get(periodMs) ?? `${periodMs} ms`}, ${burst} at once`;
}

function calls({ calls: rule, numbers }: PartnerPolicy): Clause[] {
  if (rule === undefined) return [{ text: `none cross (${SILENCE})`, place: undefined }];
  const way = {
    both: 'both ways',
    inbound: 'only from them to us',
    outbound: 'only from us to them',
    none: 'none cross',
  };
  const { limits } = rule;
  const bounds: readonly (readonly [limit: number | undefined, text: string])[] = [
    [limits.concurrent, `at most ${limits.concurrent} at a time`],
    [limits.userConcurrent, `of one user at most ${limits.userConcurrent} at a time`],
    [limits.userPerMinute, `of one user at most ${limits.userPerMinute} a minute`],
    [limits.longest, `none longer than ${(limits.longest ?? 0) / 60_000} min`],
  ];
  return [
    { text: way[rule.allow], place: rule.allowed.rule },
    ...rule.destinations.map(destination),
    {
      text: `${rule.destinations.length === 0 ? 'no numbers' : 'no other numbers'} but those of local users`,
      place: rule.noDestination.rule,
    },
    ...bounds.filter(([limit]) => limit !== undefined).map(([, text]) => ({ text, place: limits.rule })),
    switched(rule.transfer, 'may transfer calls'),
    switched(rule.redirect, 'may redirect calls'),
    ...(numbers.length === 0 ? [] : [{ text: `numbers that mean local users: ${numbers.length}`, place: undefined }]),
  ];
}

function destination({ kinds, countries, verdict, place }: DestinationRule): Clause {
  const where = countries === undefined ? 'everywhere' : `in ${[...countries].join(', ')}`;
  return { text: `${verdict.verdict === 'allow' ? '' : 'no '}${[...kinds].join(', ')} numbers ${where}`, place };
}

function switched({ verdict, rule }: Verdict, what: string): Clause {
  return { text: verdict === 'allow' ? `they ${what}` : `they ${what.replace('may', 'may not')}`, place: rule };
}
