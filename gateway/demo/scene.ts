import type { KeyPair } from '../../pki/issue.ts';
import type { DemoClient } from './client.ts';
import type { Organisation } from './organisation.ts';
import type { Pbx } from './pbx.ts';
import type { SipPartner } from './sip-partner.ts';

/** A domain with a server and a good certificate, of whom nobody's policy speaks. */
export interface Stranger {
  readonly domain: string;
  readonly certificate: KeyPair;
}

/** The users who take part. */
export interface Cast {
  /** Of contoso.example, whose executive `ceo` is. */
  readonly alice: DemoClient;
  readonly ceo: DemoClient;
  /** Of fabrikam.example. */
  readonly bob: DemoClient;
}

/** Where the tour takes place. */
export interface Scene {
  readonly contoso: Organisation;
  readonly fabrikam: Organisation;
  /** Federates with contoso.example by SIP; its user is called dora. */
  readonly northwind: SipPartner;
  /** Of contoso.example. */
  readonly pbx: Pbx;
  readonly stranger: Stranger;
  /** There once they have signed in; throws before. */
  readonly cast: Cast;
  /** Starts both gateways and all around them, and lets everyone sign in. Resolves with the ms each gateway took, in the order above. */
  open(signal: AbortSignal): Promise<readonly [number, number]>;
}
