import { callsOf } from './compile-calls.ts';
import type { Reading } from './document.ts';
import type { Place } from './fault.ts';
import { type Finding, keyPathText } from './finding.ts';
import { nearest } from './nearest.ts';
import type {
  Flow,
  Group,
  IqRule,
  LimitName,
  Limits,
  MessagesRule,
  PartnerPolicy,
  PresenceRule,
  TrunkRule,
  TrunkSection,
} from './partner.ts';
import { CONNECTIONS, LEAST_BURST } from './schema/limits.ts';
import { iqAliases, iqDefault, type Show } from './schema/traffic.ts';
import type { DefaultsDraft, PartnerDraft } from './schema.ts';
import { Matcher, type Selector } from './selector.ts';
import { NO_TRUST, type TrustDemand } from './trust.ts';
import { allow, refuse, reshape, type Verdict } from './verdict.ts';
import { written } from './written.ts';

/** A section and the file it came from. */
type Section<K extends keyof DefaultsDraft> =
  | { readonly value: NonNullable<DefaultsDraft[K]>; readonly from: Reading<DefaultsDraft> }
  | undefined;

/**
 * Compiles a partner's file: sections it does not have come from the defaults (groups and limits key by key),
 * groups are resolved, and the verdict of every rule is built once.
 */
export function compilePartner(
  own: Reading<PartnerDraft>,
  defaults: Reading<DefaultsDraft> | undefined,
): { readonly partner: PartnerPolicy } | { readonly findings: Finding[] } {
  const section = <K extends keyof DefaultsDraft>(key: K): Section<K> => {
    for (const from of [own, defaults]) {
      const value = from?.value[key];
      if (from !== undefined && value !== undefined) return { value, from };
    }
    return undefined;
  };
  const findings: Finding[] = [];
  const { value: draft, source } = own;
  const groups = groupsOf([defaults, own]);
  const presence = presenceOf(section('presence'), groups, findings);
  const patterns = draft.domains ?? [{ domain: draft.partner, wildcard: false }];
  const exactDomains = domainsOf(patterns.filter((pattern) => !pattern.wildcard));
  const wildcardDomains = domainsOf(patterns.filter((pattern) => pattern.wildcard));
  if (
    !exactDomains.includes(draft.partner) &&
    !wildcardDomains.some((domain) => draft.partner.endsWith(`.${domain}`))
  ) {
    findings.push({
      severity: 'error',
      place: source.place(['domains']),
      path: 'domains',
      message: `the partner's own domain ${draft.partner} is not among its domains`,
      remedy: `add ${draft.partner} to \`domains\`, or name the partner by one of them`,
    });
  }
  if (findings.length > 0) return { findings };
  const calls = section('calls');
  const speaks = section('speaks');
  const partner: PartnerPolicy = {
    name: draft.partner,
    file: source.file,
    place: source.place(['partner']),
    exactDomains,
    wildcardDomains,
    claims: claimsOf(own, patterns),
    speaks: speaks?.value ?? 'auto',
    otherProtocol: refuse('protocol-denied', speaks?.from.source.keyPlace(['speaks'])),
    trust: trustOf(section('trust')),
    groups,
    presence,
    messages: messagesOf(section('messages')),
    iq: iqOf(section('iq')),
    limits: limitsOf(own, defaults),
    calls: calls && callsOf(calls.value, calls.from),
    numbers: draft.numbers ?? [],
    trunk: draft.trunk && trunkOf(own, draft.trunk),
  };
  return { partner: Object.freeze(partner) };
}

function domainsOf(patterns: readonly { readonly domain: string }[]): readonly string[] {
  return Object.freeze([...new Set(patterns.map((pattern) => pattern.domain))]);
}

function claimsOf(
  { source, value }: Reading<PartnerDraft>,
  patterns: readonly { readonly domain: string; readonly wildcard: boolean }[],
): ReadonlyMap<string, Place> {
  const path = (index: number) => (value.domains === undefined ? ['partner'] : ['domains', index]);
  return new Map(
    patterns.map(({ domain, wildcard }, index) => [wildcard ? `*.${domain}` : domain, source.place(path(index))]),
  );
}

function trustOf(section: Section<'trust'>): TrustDemand {
  if (section === undefined) return NO_TRUST;
  const { accept } = section.value;
  const demand = Array.isArray(accept)
    ? { mode: 'any' as const, methods: accept }
    : { mode: 'all' as const, methods: accept.all };
  return Object.freeze({ ...demand, rule: section.from.source.keyPlace(['trust', 'accept']) });
}

function trunkOf(own: Reading<PartnerDraft>, section: TrunkSection): TrunkRule {
  const keys = Object.keys(section) as (keyof TrunkSection)[];
  const present = keys.filter((key) => own.source.has(['trunk'], key));
  const rules = new Map(present.map((key) => [key, own.source.keyPlace(['trunk', key])]));
  return { ...written(own, ['trunk']), section, rules };
}

/** Groups being compiled: `used` turns true when a rule names the group. */
type Groups = Map<string, Group & { used: boolean }>;

function groupsOf(readings: readonly (Reading<DefaultsDraft> | undefined)[]): Groups {
  const groups: Groups = new Map();
  for (const reading of readings) {
    for (const [name, selectors] of Object.entries(reading?.value.groups ?? {})) {
      const place = reading?.source.keyPlace(['groups', name]);
      if (place === undefined) continue;
      groups.set(name, { name, place, members: matcherOf(selectors), used: false });
    }
  }
  return groups;
}

function matcherOf(selectors: readonly Selector[]): Matcher {
  return selectors.reduce((matcher, selector) => matcher.add(selector), new Matcher());
}

function presenceOf(section: Section<'presence'>, groups: Groups, findings: Finding[]): readonly PresenceRule[] {
  if (section === undefined) return [];
  const { source } = section.from;
  const rules = section.value.map(({ local, show }, index): PresenceRule => {
    const path = ['presence', index];
    const who = source.written([...path, 'local']);
    const { place, text } = written(section.from, path);
    const group = local.kind === 'group' ? groups.get(local.name) : undefined;
    if (group !== undefined) group.used = true;
    if (local.kind === 'group' && group === undefined) {
      const meant = nearest(local.name, groups.keys());
      findings.push({
        severity: 'error',
        place: source.place([...path, 'local']),
        path: keyPathText([...path, 'local']),
        message: `no group is called \`${local.name}\`${meant === undefined ? '' : `: did you mean \`${meant}\`?`}`,
        remedy: groups.size === 0 ? 'add it under `groups`' : `groups here: ${[...groups.keys()].join(', ')}`,
      });
    }
    const matcher = group?.members ?? matcherOf([local]);
    const visibility = Object.freeze({ show, rule: place });
    return Object.freeze({ show, visibility, who, place, text, local: matcher, ...presenceVerdicts(show, place) });
  });
  return Object.freeze(rules);
}

function presenceVerdicts(show: Show, rule: Place): Pick<PresenceRule, 'outbound' | 'inbound' | 'request'> {
  const inbound = allow(rule, show);
  if (show === 'nothing') {
    const hidden = refuse('presence-hidden', rule, show);
    return { outbound: hidden, inbound, request: hidden };
  }
  const outbound = show === 'full' ? inbound : reshape('presence-reduced', rule, show);
  return { outbound, inbound, request: inbound };
}

function messagesOf(section: Section<'messages'>): MessagesRule | undefined {
  if (section === undefined) return undefined;
  const { source } = section.from;
  const direction = source.keyPlace(['messages', 'allow']);
  return Object.freeze({
    ...section.value,
    ...written(section.from, ['messages']),
    allowed: allow(direction),
    denied: refuse('direction-denied', direction),
    tooBig: refuse('message-too-big', source.keyPlace(['messages', 'maxBytes'])),
  });
}

function iqOf(section: Section<'iq'>): IqRule {
  const namespaces = new Map<string, Verdict>();
  if (section === undefined) {
    const verdict = allow(undefined);
    for (const alias of iqDefault) for (const namespace of iqAliases[alias] ?? []) namespaces.set(namespace, verdict);
    return Object.freeze({ written: undefined, namespaces, denied: refuse('iq-namespace-denied') });
  }
  const { source } = section.from;
  section.value.allow.forEach((names, index) => {
    const verdict = allow(source.place(['iq', 'allow', index]));
    for (const namespace of names) namespaces.set(namespace, verdict);
  });
  const denied = refuse('iq-namespace-denied', source.keyPlace(['iq', 'allow']));
  return Object.freeze({ written: written(section.from, ['iq']), namespaces, denied });
}

function limitsOf(own: Reading<PartnerDraft>, defaults: Reading<DefaultsDraft> | undefined): Limits {
  const merged = { ...defaults?.value.limits, ...own.value.limits };
  const rules: Partial<Record<LimitName, Place>> = {};
  for (const name of Object.keys(merged) as LimitName[]) {
    const source = own.value.limits?.[name] === undefined ? defaults?.source : own.source;
    if (source !== undefined) rules[name] = source.keyPlace(['limits', name]);
  }
  return Object.freeze({
    messages: flowOf(merged.messages),
    presence: flowOf(merged.presence),
    iq: flowOf(merged.iq),
    subscriptions: flowOf(merged.subscriptions),
    connections: merged.connections ?? CONNECTIONS,
    contacts: merged.contacts,
    rules: Object.freeze(rules),
  });
}

function flowOf(flow: NonNullable<PartnerDraft['limits']>['messages']): Flow | undefined {
  if (flow === undefined) return undefined;
  const burst = flow.burst ?? Math.max(Math.ceil(flow.rate.perSecond), LEAST_BURST);
  return Object.freeze({ ...flow.rate, burst });
}
