import type { Place } from './fault.ts';
import type { NumberKind } from './schema/calls.ts';
import type { Allowed, Show } from './schema/traffic.ts';
import type { PartnerDraft } from './schema.ts';
import type { Matcher } from './selector.ts';
import type { TrustDemand } from './trust.ts';
import type { Rate } from './units.ts';
import type { Verdict } from './verdict.ts';

/** A rule as people find it again. */
export interface Written {
  readonly place: Place;
  /** As written, on one line. */
  readonly text: string;
}

/** One line of `presence`, its verdicts ready. */
export interface PresenceRule extends Written {
  readonly show: Show;
  readonly visibility: { readonly show: Show; readonly rule: Place };
  /** The selector as written. */
  readonly who: string;
  readonly local: Matcher;
  /** The local user's presence on its way to the partner. */
  readonly outbound: Verdict;
  /** The partner's presence on its way to the local user. */
  readonly inbound: Verdict;
  /** A request to see the other's presence, either way. */
  readonly request: Verdict;
}

export interface MessagesRule extends Written {
  readonly allow: Allowed;
  readonly maxBytes: number;
  readonly allowed: Verdict;
  readonly denied: Verdict;
  readonly tooBig: Verdict;
}

/** One line of `calls.destinations`: numbers of these kinds, in these countries, may be called or not. */
export interface DestinationRule extends Written {
  readonly kinds: ReadonlySet<NumberKind>;
  /** ISO 3166, two letters; undefined: everywhere. */
  readonly countries: ReadonlySet<string> | undefined;
  readonly verdict: Verdict;
}

export interface CallLimits {
  /** Calls of the partner at a time; undefined: as many as the gateway gives anybody. */
  readonly concurrent: number | undefined;
  readonly userConcurrent: number | undefined;
  readonly userPerMinute: number | undefined;
  /** ms */
  readonly longest: number | undefined;
  readonly rule: Place | undefined;
}

export interface CallsRule extends Written {
  readonly allow: Allowed;
  readonly allowed: Verdict;
  readonly denied: Verdict;
  readonly transfer: Verdict;
  readonly redirect: Verdict;
  /** In order: the first that means the number decides, and silence is no. */
  readonly destinations: readonly DestinationRule[];
  readonly noDestination: Verdict;
  readonly limits: CallLimits;
}

export interface IqRule {
  /** Undefined where the default holds. */
  readonly written: Written | undefined;
  /** The namespaces that may cross, each with its verdict. */
  readonly namespaces: ReadonlyMap<string, Verdict>;
  readonly denied: Verdict;
}

/** A rate with the burst that may pass at once. */
export interface Flow extends Rate {
  readonly burst: number;
}

export interface Limits {
  /** Undefined: as many as come. */
  readonly messages: Flow | undefined;
  readonly presence: Flow | undefined;
  readonly iq: Flow | undefined;
  readonly subscriptions: Flow | undefined;
  /** Simultaneous streams. */
  readonly connections: number;
  /** Subscribed pairs of users; undefined: as many as come. */
  readonly contacts: number | undefined;
  /** The line of each limit that a policy sets. */
  readonly rules: Readonly<Partial<Record<LimitName, Place>>>;
}

export type LimitName = 'messages' | 'presence' | 'iq' | 'subscriptions' | 'connections' | 'contacts';

export interface Group {
  readonly name: string;
  readonly place: Place;
  readonly members: Matcher;
  /** Whether a rule of this partner names it. */
  readonly used: boolean;
}

export interface TrunkRule extends Written {
  readonly section: TrunkSection;
  /** Where each key stands that the file has. */
  readonly rules: ReadonlyMap<keyof TrunkSection, Place>;
}

export type TrunkSection = NonNullable<PartnerDraft['trunk']>;

/** One partner's policy, its defaults merged in and everything folded; frozen. */
export interface PartnerPolicy {
  /** The partner's main domain. */
  readonly name: string;
  readonly file: string;
  /** Where the partner is named. */
  readonly place: Place;
  readonly exactDomains: readonly string[];
  /** Domains of which every domain below is the partner too, without the `*.`. */
  readonly wildcardDomains: readonly string[];
  /** Where each domain is claimed, by its pattern as `domain` or `*.domain`. */
  readonly claims: ReadonlyMap<string, Place>;
  readonly speaks: 'xmpp' | 'sip' | 'auto';
  /** What is said to whoever comes by another protocol, and the line that says so. */
  readonly otherProtocol: Verdict;
  readonly trust: TrustDemand;
  readonly groups: ReadonlyMap<string, Group>;
  /** In order: the first that names the local user decides. */
  readonly presence: readonly PresenceRule[];
  readonly messages: MessagesRule | undefined;
  readonly iq: IqRule;
  readonly limits: Limits;
  readonly calls: CallsRule | undefined;
  readonly numbers: NonNullable<PartnerDraft['numbers']>;
  /** How its SIP servers are reached and known; undefined where its file does not say. */
  readonly trunk: TrunkRule | undefined;
}
