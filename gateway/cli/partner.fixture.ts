import type { ProofKind } from '../../policies/trust.ts';
import { type TestEdge, type TestEdgeOptions, TestNet } from '../xmpp/testing/edge.fixture.ts';
import { called, type Outcome, Sandbox } from './cli.fixture.ts';

/** A gateway's folder whose DNS, and whose authorities, are those of a net in which partners' servers run. */
export class PartnerWorld {
  readonly net: TestNet;
  readonly sandbox: Sandbox;

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

  policy(domain: string, accept: readonly ProofKind[] = ['certificate']): Promise<void> {
    const text = `partner: ${domain}\ntrust: { accept: [${accept.join(', ')}] }\n`;
    return this.sandbox.write(`policies/${domain}.yaml`, text);
  }

  /** Runs `drawbridge partner …` with this folder's configuration. */
  partner(...args: readonly string[]): Promise<Outcome> {
    return called('partner', ...args, '-c', this.sandbox.path('gateway.yaml'));
  }

  async close(): Promise<void> {
    await this.net.close();
    await this.sandbox.remove();
  }
}
