import type { KeyPair } from '../../pki/issue.ts';
import { trustFromPem } from '../../pki/trust.ts';
import { Fault } from '../../policies/fault.ts';
import { Resolver } from '../dns/resolver.ts';
import type { SipHandlers, Trunk } from '../sip/port.ts';
import { trunkContext } from '../sip/transport/tls.ts';
import { OwnSipStack } from '../sip/trunk/stack.ts';

export interface SipEndpointOptions {
  /** Whom it speaks with, and what that one calls it. */
  readonly peer: { readonly kind: 'partner' | 'home'; readonly domain: string; readonly calls: string };
  readonly address: string;
  readonly port: number;
  /** `ip:port`. */
  readonly nameServer: string;
  /** What it shows, and the authorities (PEM) whose certificates it takes; without these it speaks TCP in clear. */
  readonly tls?: { readonly certificate: KeyPair; readonly trusted: readonly string[] };
}

export type SipEndpointHandlers = Pick<SipHandlers, 'invite' | 'request'>;

/** A SIP server that speaks with one peer: the stack of the gateway with no policy behind it. */
export class SipEndpoint {
  readonly trunk: Trunk;
  readonly #stack: OwnSipStack;
  readonly #resolver: Resolver;
  #started: Promise<unknown> = Promise.resolve();

  /** It holds timers from now on: close it in any case. */
  constructor({ peer, address, port, nameServer, tls }: SipEndpointOptions) {
    const context = tls && trunkContext({ certPem: tls.certificate.certificatePem, keyPem: tls.certificate.keyPem });
    const { kind, domain, calls: localDomain } = peer;
    this.#resolver = new Resolver({ servers: [nameServer], dnssec: 'off' });
    this.#stack = new OwnSipStack({
      trunks: [{ id: domain, kind, domain, domains: [], tls: tls !== undefined, localDomain, options: { pingMs: 0 } }],
      listen: [{ host: address, port, tls: tls !== undefined }],
      resolver: this.#resolver,
      anchors: trustFromPem(tls?.trusted ?? []),
      trust: (_, evidence) => {
        const sufficient = evidence.some(({ holds }) => holds);
        return { sufficient, reason: sufficient ? 'allowed' : 'trust-insufficient' };
      },
      journal: { note: () => undefined, refuse: () => undefined },
      secureContextFor: () => context,
    });
    const trunk = this.#stack.trunkFor(domain);
    if (trunk === undefined) throw new Fault('internal', `There is no trunk to ${domain}.`);
    this.trunk = trunk;
  }

  /** Resolves when it accepts. */
  async start({ invite, request }: SipEndpointHandlers): Promise<void> {
    this.#started = this.#stack.start({
      invite,
      request,
      subscribe: async () => ({ accept: false, answer: { status: 489 } }),
      trunk: () => undefined,
    });
    await this.#started;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    // A listener that is being opened is there when this returns, and could not be closed before.
    await this.#started.catch(() => undefined);
    await this.#stack.close();
    this.#resolver.close();
  }
}
