import type { DefaultsDraft } from '../../../policies/schema.ts';
import type { ProofKind } from '../../../policies/trust.ts';
import type { Protocol } from '../../bridge/ports.ts';
import type { Security } from '../../dns/security.ts';
import { type TrunkPlan, trunkYaml } from './trunk-yaml.ts';

/** What a first policy of a partner says. */
export interface FirstPolicy extends TrunkPlan {
  readonly domain: string;
  readonly via: Protocol;
  readonly accept: readonly ProofKind[];
  /** Whether {@link accept} was seen to hold, or chosen without. */
  readonly chosen: boolean;
  readonly security: Security;
  /** Chat room domains that DNS knows. */
  readonly rooms: readonly string[];
  /** What defaults.yaml says: it stays in force. */
  readonly defaults: DefaultsDraft;
  /** The largest stanza that streams carry, bytes. */
  readonly stanzaBytes: number;
  /** `2030-01-31` */
  readonly day: string;
}

/** Largest message of a first policy, bytes: texts and links, no pictures in them. */
const MESSAGE_BYTES = 65_536;

/** Limits of a first policy, for those that defaults.yaml does not set: what an organisation's people do by hand. */
const LIMITS: readonly (readonly [name: keyof NonNullable<DefaultsDraft['limits']>, written: string])[] = [
  ['messages', '{ rate: 20/s, burst: 100 }'],
  ['presence', '{ rate: 20/s, burst: 200 }'],
  ['iq', '{ rate: 10/s, burst: 50 }'],
  ['subscriptions', '{ rate: 10/min }'],
  ['connections', '10'],
  ['contacts', '500'],
];

/** Of these, what a trunk has: neither presence nor requests cross it. */
const TRUNK_LIMITS = LIMITS.filter(([name]) => name === 'messages');

/**
 * A first policy of a partner, least privilege and commented: availability only, messages both ways, no IQs beyond ping,
 * disco and version; over SIP messages both ways, and no calls. What defaults.yaml has a say in is left to it.
 */
export function policyYaml(policy: FirstPolicy): string {
  const { domain } = policy;
  return [
    `# ${domain}: first written by \`drawbridge partner add\` on ${policy.day}; from here on it is yours.`,
    '# Look it through with `drawbridge policy lint`, ask it with `drawbridge policy explain`, try the partner with',
    `# \`drawbridge partner test ${domain}\`. A running gateway takes changes up by itself.`,
    '',
    `partner: ${scalar(domain)}`,
    ...domains(policy),
    `speaks: ${policy.via}`,
    '',
    ...(policy.via === 'sip' ? [...trunkYaml(policy), ''] : []),
    ...trust(policy),
    '',
    ...(policy.via === 'sip' ? overSip(policy) : overXmpp(policy)),
    '',
  ].join('\n');
}

function overXmpp(policy: FirstPolicy): string[] {
  const { defaults } = policy;
  return [
    ...presence(policy),
    '',
    ...messages(policy),
    ...section(defaults.iq, 'iq', [
      'iq: { allow: [ping, disco, version] }           # others by namespace, such as "urn:xmpp:mam:2"',
    ]),
    '',
    ...limits(defaults, LIMITS),
  ];
}

function overSip(policy: FirstPolicy): string[] {
  const { defaults } = policy;
  return [
    '# Presence and requests (IQ) do not cross a trunk.',
    ...messages(policy),
    '',
    ...limits(defaults, TRUNK_LIMITS),
    '',
    ...section(defaults.calls, 'calls', [
      '# Calls: silence is no. Where there is a PBX (`home.sip` in gateway.yaml), and local users may be called:',
      '# calls: { allow: inbound, limits: { concurrent: 10 } }     # telephone numbers want `destinations` besides',
    ]),
  ];
}

function messages({ defaults, stanzaBytes }: FirstPolicy): string[] {
  return section(defaults.messages, 'messages', [
    `messages: { allow: both, maxBytes: ${Math.min(MESSAGE_BYTES, stanzaBytes)} }     # both | inbound | outbound | none`,
  ]);
}

function domains({ domain, rooms }: FirstPolicy): string[] {
  const listed = `domains: [${scalar(domain)}]`;
  if (rooms.length === 0) return [`${listed}   # "*.${domain}" would mean every domain below it too`];
  return [`${listed}   # its chat rooms too: ${rooms.map(scalar).join(', ')}`];
}

function trust({ accept, chosen, security }: FirstPolicy): string[] {
  const why: string[] = chosen
    ? ['# Chosen with --accept: look at it again when `drawbridge partner test` has been good.']
    : ['# What was seen to hold. { all: [...] } demands several.'];
  if (accept.includes('dialback') && security !== 'secure') {
    why.push('# Dialback is as strong as DNS, and this DNS is not validated: prefer a certificate where you can.');
  }
  return [...why, `trust: { accept: [${accept.join(', ')}] }`];
}

function presence({ defaults, home }: FirstPolicy): string[] {
  return section(defaults.presence, 'presence', [
    `# groups: { executives: ["ceo@${home}", "cfo@${home}"] }`,
    'presence:                       # the first rule that names the local user decides, silence is no',
    '  # - { local: "group:executives", show: nothing }',
    '  - { local: "*", show: availability }          # nothing | availability | status | full',
  ]);
}

function section(inDefaults: unknown, name: string, lines: readonly string[]): string[] {
  return inDefaults === undefined ? [...lines] : [`# ${name}: as in defaults.yaml; a section here would replace it`];
}

function limits({ limits: inDefaults }: DefaultsDraft, wanted: typeof LIMITS): string[] {
  const missing = wanted.filter(([name]) => inDefaults?.[name] === undefined);
  const inherited = wanted.filter(([name]) => inDefaults?.[name] !== undefined).map(([name]) => name);
  const remark = inherited.length === 0 ? [] : [`# As in defaults.yaml, key by key: ${inherited.join(', ')}.`];
  if (missing.length === 0) return [...remark, '# limits: { messages: { rate: 10/s, burst: 50 } }'];
  return [...remark, 'limits:', ...missing.map(([name, written]) => `  ${name}: ${written}`)];
}

/** YAML reads a domain as a text where it can be nothing else; numbers and `null` want quotes. */
function scalar(domain: string): string {
  return /^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+$/.test(domain) ? domain : JSON.stringify(domain);
}
