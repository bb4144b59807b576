import type { Address } from '../../policies/address.ts';
import type { Direction, Verdict } from '../../policies/judge.ts';
import type { PartnerPolicy } from '../../policies/partner.ts';
import type { Protocol } from './ports.ts';
import type { Stanza } from './stanza.ts';
import type { Role } from './stanza-kind.ts';

/** A stanza with all that judging it needs. */
export interface Crossing {
  readonly direction: Direction;
  readonly via: Protocol;
  readonly stanza: Stanza;
  readonly role: Role;
  readonly policy: PartnerPolicy;
  readonly partnerDomain: string;
  readonly homeDomain: string;
  readonly from: Address;
  readonly to: Address;
  readonly local: Address;
  readonly remote: Address;
  readonly now: number;
}

/** What came of judging: whether it crosses, perhaps in another form, or with an answer given in its place. */
export type Outcome =
  | { readonly pass: Stanza }
  | { readonly refuse: Verdict; readonly answer: 'error' | 'nothing' | Stanza };
