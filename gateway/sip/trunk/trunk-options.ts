import type { Purpose } from '../../../pki/verify.ts';
import type { DigestCredentials } from '../dialog/digest.ts';

/** What an administrator says of one trunk. */
export interface TrunkOptions {
  /** Unique among the trunks; an unchanged trunk keeps its connections over a reload. */
  readonly id: string;
  readonly kind: 'partner' | 'home';
  /** The partner's main domain, folded: what its certificate must name. Or what the home PBX is called. */
  readonly domain: string;
  /** Whose users it may speak for: folded domains, also `*.p.example` for one or more labels. The main domain always counts. */
  readonly domains: readonly string[];
  /** Where it is reached, in the order to try; left out, the domain is located (RFC 3263). */
  readonly targets?: readonly { readonly host: string; readonly port?: number | undefined }[] | undefined;
  /** False is for a home PBX alone. */
  readonly tls: boolean;
  /**
   * Addresses or CIDR blocks that its connections come from. A partner must prove itself as well; a home PBX is
   * known by its address, by default one of loopback.
   */
  readonly addresses?: readonly string[] | undefined;
  /** The domain of ours that this trunk sees: in From, Contact, and the SNI by which the partner asks for us. */
  readonly localDomain: string;
  /** Digest, where the other side asks for it (RFC 3261 §22). */
  readonly credentials?: TrunkCredentials | undefined;
  /** Whether `*.p.example` in its certificate speaks for a name below, against RFC 5922 §7.2. Default false. */
  readonly allowWildcardCertificate?: boolean | undefined;
  /** What its certificate must be issued for. Default `sip`: any of serverAuth, clientAuth, id-kp-sipDomain. */
  readonly purpose?: Purpose | undefined;
  /** Whether what it asserts of identities of any domain is believed (RFC 3325 §3), and told it. Default false. */
  readonly assertsIdentity?: boolean | undefined;
  readonly options?: TrunkTuning | undefined;
}

export type TrunkCredentials = DigestCredentials;

export interface TrunkTuning {
  /** Mean time between two OPTIONS, ms; 0 sends none. Default 45 000. */
  readonly pingMs?: number | undefined;
  /** Failures in a row that take it down. Default 2. */
  readonly failures?: number | undefined;
  /** Successes in a row that bring it up again. Default 2. */
  readonly successes?: number | undefined;
}

const LOOPBACK = ['127.0.0.0/8', '::1'];

/** Where its connections come from; undefined where that is not what it is known by. */
export function knownAddresses({ kind, tls, addresses }: TrunkOptions): readonly string[] | undefined {
  // Over TLS a home may come from anywhere that its certificate does.
  return addresses ?? (kind === 'home' && !tls ? LOOPBACK : undefined);
}
