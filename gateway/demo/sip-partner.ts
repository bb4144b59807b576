import { createAuthority, issueCertificate, type KeyPair } from '../../pki/issue.ts';
import type { Answer, InRequest, OutCall, Reply, Sdp } from '../sip/port.ts';
import { Observed } from './observed.ts';
import { SipEndpoint } from './sip-endpoint.ts';

/** What it is made of before it runs. */
export interface SipPartnerPlan {
  readonly domain: string;
  /** The local part of its one user's address. */
  readonly user: string;
}

/** What it must know of the world around. */
export interface SipSurroundings {
  /** `ip:port`. */
  readonly nameServer: string;
  /** Whom it federates with, and that one's authority, PEM. */
  readonly partner: { readonly domain: string; readonly authorityPem: string };
}

/**
 * An organisation whose server speaks SIP and nothing else, with one user. It proves who it is, and then sends what it is
 * told to, also what no good server would.
 */
export class SipPartner {
  readonly domain: string;
  readonly address: string;
  readonly port: number;
  readonly authorityPem: string;
  /** Of its user, as SIP and as XMPP write it. */
  readonly uri: string;
  readonly jid: string;
  /** Every MESSAGE that came. */
  readonly received = new Observed<InRequest>();
  readonly #certificate: KeyPair;
  #endpoint: SipEndpoint | undefined;
  #answering = false;

  /** Makes its authority and certificate; nothing listens yet. */
  static async found(
    plan: SipPartnerPlan,
    at: { readonly address: string; readonly port: number },
  ): Promise<SipPartner> {
    const { domain } = plan;
    const authority = await createAuthority({ name: `Private authority of ${domain}`, permittedDomains: [domain] });
    const certificate = await issueCertificate(authority, { domains: [domain] });
    return new SipPartner({ ...plan, ...at, authorityPem: authority.certificatePem }, certificate);
  }

  private constructor(
    {
      domain,
      user,
      address,
      port,
      authorityPem,
    }: SipPartnerPlan & Pick<SipPartner, 'address' | 'port' | 'authorityPem'>,
    certificate: KeyPair,
  ) {
    this.domain = domain;
    this.address = address;
    this.port = port;
    this.authorityPem = authorityPem;
    this.jid = `${user}@${domain}`;
    this.uri = `sip:${this.jid}`;
    this.#certificate = certificate;
  }

  /** The name of its server in DNS. */
  get host(): string {
    return `sbc.${this.domain}`;
  }

  /** Resolves when it accepts. */
  async start({ nameServer, partner }: SipSurroundings): Promise<void> {
    const { domain, address, port } = this;
    const tls = { certificate: this.#certificate, trusted: [partner.authorityPem] };
    const peer = { kind: 'partner', domain: partner.domain, calls: domain } as const;
    this.#endpoint = new SipEndpoint({ peer, address, port, nameServer, tls });
    await this.#endpoint.start({
      invite: (call) => call.refuse({ status: 486 }),
      request: async (request) => this.#take(request),
    });
  }

  /** Sends words to a URI, over the proven trunk, from whomever it says. Resolves with what came back; never rejects. */
  write(to: string, words: string, from: string = this.uri): Promise<Reply> {
    const body = { type: 'text/plain;charset=UTF-8', content: Buffer.from(words) };
    return this.#trunk.request({ method: 'MESSAGE', target: to, from: { uri: from }, to: { uri: to }, body });
  }

  /** Its user calls a URI; where `signal` aborts before anybody answers, hangs up. */
  call(to: string, offer: Sdp, signal: AbortSignal): OutCall {
    return this.#trunk.invite({ target: to, from: { uri: this.uri }, to: { uri: to }, offer, signal });
  }

  /** From now on its user sends back what is written to it. */
  startAnswering(): void {
    this.#answering = true;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#endpoint?.close();
  }

  get #trunk(): SipEndpoint['trunk'] {
    if (this.#endpoint === undefined) throw new Error(`${this.domain} does not run`);
    return this.#endpoint.trunk;
  }

  #take(request: InRequest): Answer {
    this.received.add(request);
    const { method, headers, from, body } = request;
    if (method !== 'MESSAGE') return { status: 405, headers: [['Allow', 'MESSAGE']] };
    // A notice of failure is about a message of ours: who answers it goes in circles.
    const about = headers.get('In-Reply-To');
    if (this.#answering && about === undefined) void this.write(from.uri, `You wrote: ${body?.content ?? ''}`);
    return { status: 200 };
  }
}
