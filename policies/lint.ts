import type { Place } from './fault.ts';
import { distinct, type Finding, inOrder } from './finding.ts';
import type { Group, PartnerPolicy } from './partner.ts';
import { Matcher } from './selector.ts';
import type { PolicySet } from './set.ts';

/** What the rest of the configuration says that policies depend on. */
export interface Surroundings {
  /** Largest stanza a stream carries, bytes. */
  readonly stanzaBytes?: number;
}

/**
 * What is allowed in policies and yet surely not meant: rules that never decide, groups that no rule names or that
 * have no members, partners that nothing can prove. Every finding is a warning.
 */
export function lintPolicies(set: PolicySet, { stanzaBytes }: Surroundings = {}): Finding[] {
  const findings = set.partners.flatMap((partner) => [
    ...untrusted(partner),
    ...shadowed(partner),
    ...beyondStanza(partner, stanzaBytes),
  ]);
  if (set.partners.length === 0) return [];
  return inOrder(distinct([...findings, ...idleGroups(set.partners)]));
}

function untrusted(partner: PartnerPolicy): Finding[] {
  if (partner.trust.methods.length > 0) return [];
  const message = `nothing proves ${partner.name}: no trust section here or in defaults.yaml, so no stream is accepted`;
  return [warning(partner.place, 'trust', message, 'add `trust: { accept: [certificate] }`')];
}

function shadowed(partner: PartnerPolicy): Finding[] {
  const findings: Finding[] = [];
  const before = new Matcher();
  for (const rule of partner.presence) {
    if (!rule.local.empty && before.covers(rule.local)) {
      const earlier = partner.presence.find((other) => other.local.covers(rule.local));
      const by =
        earlier === undefined || earlier === rule ? 'rules above' : `line ${earlier.place.line} (${earlier.who})`;
      const message = `this rule never decides: whom ${rule.who} means, ${by} decide${by === 'rules above' ? '' : 's'}`;
      findings.push(warning(rule.place, 'presence', message, 'put narrow rules above broad ones, or remove this one'));
    }
    before.addAll(rule.local);
  }
  return findings;
}

function beyondStanza(partner: PartnerPolicy, stanzaBytes: number | undefined): Finding[] {
  const rule = partner.messages;
  if (rule === undefined || stanzaBytes === undefined || rule.maxBytes <= stanzaBytes) return [];
  const message = `maxBytes is ${rule.maxBytes}, but no stream carries a stanza above ${stanzaBytes} bytes`;
  return [
    warning(
      rule.tooBig.rule ?? rule.place,
      'messages.maxBytes',
      message,
      'lower it, or raise edges.xmpp.limits.stanzaBytes',
    ),
  ];
}

/** A group of defaults.yaml is idle when no partner's rule names it. */
function idleGroups(partners: readonly PartnerPolicy[]): Finding[] {
  const everywhere = new Map<string, { group: Group; used: boolean }>();
  for (const { groups } of partners) {
    for (const group of groups.values()) {
      const key = JSON.stringify(group.place);
      everywhere.set(key, { group, used: group.used || everywhere.get(key)?.used === true });
    }
  }
  return [...everywhere.values()].flatMap(({ group, used }) => {
    const path = `groups.${group.name}`;
    const empty = warning(group.place, path, `the group \`${group.name}\` has no members`, 'list them, or remove it');
    const idle = warning(
      group.place,
      path,
      `no rule names the group \`${group.name}\``,
      'remove it, or use it in a rule',
    );
    return [...(group.members.empty ? [empty] : []), ...(used ? [] : [idle])];
  });
}

function warning(place: Place, path: string, message: string, remedy: string): Finding {
  return { severity: 'warning', place, path, message, remedy };
}
