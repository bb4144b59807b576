import { isIPv6 } from 'node:net';
import type { Endpoint, Flow } from '../transport/flow.ts';
import type { TrunkOptions } from './trunk-options.ts';

/** How peers reach us over TLS. */
export interface Advertised {
  /** A name that our certificate covers, or an address. */
  readonly host: string;
  readonly port?: number | undefined;
}

const ANY: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** What we call ourselves in Via and Contact: nothing of it tells what lies behind (topology hiding). */
export class OwnNames {
  readonly #advertised: Advertised | undefined;
  readonly #localDomainFor: (partnerDomain: string) => string | undefined;
  readonly #sentBy = new WeakMap<Flow, string>();
  #tls: Endpoint | undefined;
  #tcp: Endpoint | undefined;

  /** @param localDomainFor the domain of ours that a partner sees. */
  constructor(advertised: Advertised | undefined, localDomainFor: (partnerDomain: string) => string | undefined) {
    this.#advertised = advertised;
    this.#localDomainFor = localDomainFor;
  }

  /** The first listener of each kind gives its port its name. */
  listening({ tls, host, port }: Endpoint & { readonly tls: boolean }): void {
    if (tls) this.#tls ??= { host, port };
    else this.#tcp ??= { host, port };
  }

  /** The `host:port` of Via: where we listen, so that the peer knows by `;alias` what this connection stands for. */
  sentBy(flow: Flow): string {
    const known = this.#sentBy.get(flow);
    if (known !== undefined) return known;
    const { port } =
      (flow.secure ? (this.#advertised?.port === undefined ? this.#tls : this.#advertised) : this.#tcp) ?? {};
    const name = `${bracketed(this.#hostOn(flow))}${port === undefined ? '' : `:${port}`}`;
    this.#sentBy.set(flow, name);
    return name;
  }

  /**
   * Our Contact URI on a trunk. Over TLS it is our domain, which peers locate as they do for any request (RFC 3263); a
   * port would forbid them that.
   */
  contact({ tls, localDomain }: TrunkOptions): string {
    if (tls) {
      const { host, port } = this.#advertised ?? { host: localDomain };
      return `sip:${bracketed(host)}${port === undefined ? '' : `:${port}`};transport=tls`;
    }
    const at = this.#tcp;
    if (at === undefined) return `sip:${localDomain};transport=tcp`;
    return `sip:${bracketed(ANY.has(at.host) ? localDomain : at.host)}:${at.port};transport=tcp`;
  }

  #hostOn(flow: Flow): string {
    if (!flow.secure) return flow.local.host;
    if (this.#advertised !== undefined) return this.#advertised.host;
    const domain = flow.opened === 'by-us' ? this.#localDomainFor(flow.name) : flow.name;
    return domain === undefined || domain === '' ? flow.local.host : domain;
  }
}

function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}
