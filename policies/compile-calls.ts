import type { Reading } from './document.ts';
import type { CallsRule, DestinationRule } from './partner.ts';
import type { PartnerDraft } from './schema.ts';
import { allow, refuse } from './verdict.ts';
import { written } from './written.ts';

type CallsSection = NonNullable<PartnerDraft['calls']>;

/** Compiles `calls`: the verdict of every rule is built once. */
export function callsOf(section: CallsSection, from: Reading<unknown>): CallsRule {
  const { source } = from;
  const direction = source.keyPlace(['calls', 'allow']);
  const { limits } = section;
  return Object.freeze({
    ...written(from, ['calls']),
    allow: section.allow,
    allowed: allow(direction),
    denied: refuse('direction-denied', direction),
    transfer: switched(section.transfers, 'transfer-denied', from, 'transfers'),
    redirect: switched(section.redirects, 'redirect-denied', from, 'redirects'),
    destinations: Object.freeze((section.destinations ?? []).map((rule, index) => destinationOf(rule, from, index))),
    noDestination: refuse(
      'destination-denied',
      section.destinations === undefined ? undefined : source.keyPlace(['calls', 'destinations']),
    ),
    limits: Object.freeze({
      concurrent: limits?.concurrent,
      userConcurrent: limits?.perUser?.concurrent,
      userPerMinute: limits?.perUser?.perMinute,
      longest: limits?.longest,
      rule: limits && source.keyPlace(['calls', 'limits']),
    }),
  });
}

/** What a switch that is off unless it is written says. */
function switched(
  value: 'allow' | 'deny',
  reason: 'transfer-denied' | 'redirect-denied',
  { source }: Reading<unknown>,
  key: string,
): CallsRule['transfer'] {
  const place = source.keyPlace(['calls', key]);
  return value === 'allow' ? allow(place) : refuse(reason, place);
}

function destinationOf(
  rule: NonNullable<CallsSection['destinations']>[number],
  from: Reading<unknown>,
  index: number,
): DestinationRule {
  const text = written(from, ['calls', 'destinations', index]);
  return Object.freeze({
    ...text,
    kinds: new Set(rule.allow ?? rule.deny),
    countries: rule.countries && new Set(rule.countries),
    verdict: rule.allow === undefined ? refuse('destination-denied', text.place) : allow(text.place),
  });
}
