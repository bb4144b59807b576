import type { KeyPair } from '../../pki/issue.ts';
import { trustFromPem } from '../../pki/trust.ts';
import type { ProofKind } from '../../policies/trust.ts';
import { trunkContext } from '../sip/transport/tls.ts';
import { OwnSipStack } from '../sip/trunk/stack.ts';
import { RecordingHandlers } from '../sip/trunk/testing/trunk-net.fixture.ts';
import { type TestEdge, type TestEdgeOptions, TestNet } from '../xmpp/testing/edge.fixture.ts';
import { RecordingJournal } from '../xmpp/testing/recording.fixture.ts';
import { called, type Outcome, Sandbox } from './cli.fixture.ts';

export interface SipServerOptions {
  /** Default: one of the net's authority for the domain. */
  readonly certificate?: KeyPair;
  /** Whom it takes; default contoso.example. */
  readonly partner?: string;
}

/** A partner's SIP server: the stack of our own, with nobody behind it. */
export interface SipServer {
  readonly stack: OwnSipStack;
  readonly port: number;
  readonly handlers: RecordingHandlers;
  readonly journal: RecordingJournal;
}

/** A gateway's folder whose DNS, and whose authorities, are those of a net in which partners' servers run. */
export class PartnerWorld {
  readonly net: TestNet;
  readonly sandbox: Sandbox;
  readonly #stacks: OwnSipStack[] = [];

  static async create(): Promise<PartnerWorld> {
    const [net, sandbox] = await Promise.all([TestNet.start(), Sandbox.create()]);
    await sandbox.write('pki/partners.pem', net.authority.certificatePem);
    await sandbox.edit('gateway.yaml', [
      ['servers: ["127.0.0.1:1"]', `servers: ["${net.dns.address}"]`],
      ['pki/ca.pem]', 'pki/ca.pem, pki/partners.pem]'],
    ]);
    return new PartnerWorld(net, sandbox);
  }

  private constructor(net: TestNet, sandbox: Sandbox) {
    this.net = net;
    this.sandbox = sandbox;
  }

  /** Gives our home domain a certificate that partners believe. */
  async certify(): Promise<void> {
    const { certificatePem, keyPem } = await this.net.issue({
      domains: ['contoso.example', 'conference.contoso.example'],
    });
    await this.sandbox.write('pki/contoso.example.pem', certificatePem);
    await this.sandbox.write('pki/contoso.example.key', keyPem);
  }

  /** A partner's server; DNS leads to it. It accepts certificates unless said otherwise. */
  server(domain: string, options: Omit<TestEdgeOptions, 'domains'> = {}): Promise<TestEdge> {
    return this.net.edge({ ...options, domains: [domain] });
  }

  /** A partner's SIP server; DNS does not know it yet ({@link publishSip}). */
  async sipServer(
    domain: string,
    { certificate, partner = 'contoso.example' }: SipServerOptions = {},
  ): Promise<SipServer> {
    const { certificatePem: certPem, keyPem } = certificate ?? (await this.net.issue({ domains: [domain] }));
    const handlers = new RecordingHandlers();
    const journal = new RecordingJournal(handlers.watch);
    const trunk = {
      id: partner,
      kind: 'partner',
      domain: partner,
      domains: [],
      tls: true,
      localDomain: domain,
    } as const;
    const stack = new OwnSipStack({
      trunks: [{ ...trunk, options: { pingMs: 0 } }],
      listen: [{ host: '127.0.0.1', port: 0, tls: true }],
      resolver: this.net.resolver(),
      anchors: trustFromPem([this.net.authority.certificatePem]),
      trust: (_, evidence) => ({ sufficient: evidence.some(({ holds }) => holds), reason: 'trust-insufficient' }),
      journal,
      secureContextFor: () => trunkContext({ certPem, keyPem }),
    });
    this.#stacks.push(stack);
    const [bound] = await stack.start(handlers);
    return { stack, handlers, journal, port: bound?.port ?? 0 };
  }

  /** Names a SIP server over TLS in DNS; a lower priority is tried first. */
  publishSip(domain: string, port: number, { priority = 0, service = '_sips._tcp' } = {}): void {
    const data = { priority, weight: 0, port, target: '127.0.0.1' };
    this.net.dns.add({ name: `${service}.${domain}`, type: 'SRV', data });
  }

  /** Lets the gateway have trunks. */
  allowTrunks(more = ''): Promise<void> {
    return this.sandbox.edit('gateway.yaml', [['\nedges:\n', `\nedges:\n  sip: { listen: ["127.0.0.1:0"]${more} }\n`]]);
  }

  /** A SIP partner's policy, with more lines. */
  sipPolicy(domain: string, ...lines: readonly string[]): Promise<void> {
    const text = [`partner: ${domain}`, 'speaks: sip', 'trust: { accept: [certificate] }', ...lines, ''].join('\n');
    return this.sandbox.write(`policies/${domain}.yaml`, text);
  }

  policy(domain: string, accept: readonly ProofKind[] = ['certificate']): Promise<void> {
    const text = `partner: ${domain}\ntrust: { accept: [${accept.join(', ')}] }\n`;
    return this.sandbox.write(`policies/${domain}.yaml`, text);
  }

  /** Runs `drawbridge partner …` with this folder's configuration. */
  partner(...args: readonly string[]): Promise<Outcome> {
    return called('partner', ...args, '-c', this.sandbox.path('gateway.yaml'));
  }

  async close(): Promise<void> {
    await Promise.all(this.#stacks.map((stack) => stack.close()));
    await this.net.close();
    await this.sandbox.remove();
  }
}
