import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, issueCertificate } from '../../pki/issue.ts';
import { DemoClient } from './client.ts';
import { loopbackAddresses, Ports } from './loopback.ts';
import { Organisation, type OrganisationPlan } from './organisation.ts';
import { policyForContoso, policyForFabrikam } from './policies.ts';
import type { Cast, Scene, Stranger } from './scene.ts';
import { type ZoneRecord, ZoneServer } from './zone-server.ts';

const plans = {
  contoso: {
    domain: 'contoso.example',
    users: { alice: 'moat-and-tower', ceo: 'portcullis' },
    policies: { 'fabrikam.example.yaml': policyForFabrikam },
  },
  fabrikam: {
    domain: 'fabrikam.example',
    users: { bob: 'gatehouse' },
    policies: { 'contoso.example.yaml': policyForContoso },
  },
} as const satisfies Record<string, OrganisationPlan>;

const ZONE = 'example';
const NAME_SERVER = '127.0.0.1';
const STRANGER = 'tailspin.example';

/** Two organisations on loopback and the world around them: DNS, and a server that is nobody's partner. */
export class Stage implements Scene {
  readonly contoso: Organisation;
  readonly fabrikam: Organisation;
  readonly stranger: Stranger;
  /** Everything that is written; removed at the end. */
  readonly folder: string;
  readonly #dns: ZoneServer;
  #cast: Cast | undefined;
  readonly #clients: DemoClient[] = [];
  #dismissed = false;
  #kept = false;

  /** Everything is laid out, and DNS answers; the gateways do not run yet. */
  static async build(): Promise<Stage> {
    const folder = await mkdtemp(join(tmpdir(), 'drawbridge-demo-'));
    try {
      return await Stage.#build(folder);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  static async #build(folder: string): Promise<Stage> {
    const ports = new Ports();
    const [one = '', other = ''] = await loopbackAddresses(2);
    const found = async (plan: OrganisationPlan, address: string): Promise<Organisation> => {
      const own = join(folder, plan.domain);
      await mkdir(own);
      return Organisation.found(plan, { folder: own, address, ports });
    };
    const contoso = await found(plans.contoso, one);
    const fabrikam = await found(plans.fabrikam, other);
    const strangers = await createAuthority({ name: `Private authority of ${STRANGER}` });
    const certificate = await issueCertificate(strangers, { domains: [STRANGER] });

    const records = [contoso, fabrikam].flatMap(recordsOf);
    const dns = new ZoneServer({ zone: ZONE, records, address: NAME_SERVER });
    await dns.start();
    const nameServer = `${NAME_SERVER}:${dns.port}`;
    await contoso.layOut({
      nameServer,
      // Even a stranger whose authority is trusted stays a stranger.
      trusted: { [fabrikam.domain]: fabrikam.authorityPem, [STRANGER]: strangers.certificatePem },
    });
    await fabrikam.layOut({ nameServer, trusted: { [contoso.domain]: contoso.authorityPem } });
    return new Stage(folder, dns, contoso, fabrikam, { domain: STRANGER, certificate });
  }

  private constructor(
    folder: string,
    dns: ZoneServer,
    contoso: Organisation,
    fabrikam: Organisation,
    stranger: Stranger,
  ) {
    this.folder = folder;
    this.#dns = dns;
    this.contoso = contoso;
    this.fabrikam = fabrikam;
    this.stranger = stranger;
  }

  get cast(): Cast {
    if (this.#cast === undefined) throw new Error('nobody has signed in');
    return this.#cast;
  }

  async open(signal: AbortSignal): Promise<readonly [number, number]> {
    const started = await Promise.all([this.contoso.daemon.start(), this.fabrikam.daemon.start()]);
    const [alice, ceo, bob] = await Promise.all([
      this.#signIn(this.contoso, 'alice', signal),
      this.#signIn(this.contoso, 'ceo', signal),
      this.#signIn(this.fabrikam, 'bob', signal),
    ]);
    this.#cast = { alice, ceo, bob };
    return [started[0].ms, started[1].ms];
  }

  /** Lets the users of the tour go offline; the gateways stay. */
  dismiss(): void {
    this.#dismissed = true;
    for (const client of this.#clients) client.close();
  }

  /** Leaves the folder where it is, for somebody to look into. */
  keepFolder(): void {
    this.#kept = true;
  }

  /** Ends everything, in order. Idempotent. */
  async close(): Promise<void> {
    this.dismiss();
    await Promise.all([this.contoso.daemon.close(), this.fabrikam.daemon.close(), this.#dns.close()]);
    if (!this.#kept) await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  /** As {@link close}, for when nothing can be waited for any more. */
  closeNow(): void {
    this.contoso.daemon.killNow();
    this.fabrikam.daemon.killNow();
    if (!this.#kept) rmSync(this.folder, { recursive: true, force: true });
  }

  async #signIn(organisation: Organisation, local: string, signal: AbortSignal): Promise<DemoClient> {
    const client = await DemoClient.signIn(organisation.account(local), 'demo', signal);
    this.#clients.push(client);
    if (this.#dismissed) client.close();
    return client;
  }
}

/** RFC 6120 §3.2.1, for servers and for clients. */
function recordsOf({ domain, host, address, xmppServer, xmppClient }: Organisation): ZoneRecord[] {
  const service = (name: string, port: number): ZoneRecord => ({
    name: `_${name}._tcp.${domain}`,
    type: 'SRV',
    data: { priority: 0, weight: 0, port, target: host },
  });
  return [
    service('xmpp-server', xmppServer),
    service('xmpp-client', xmppClient),
    { name: host, type: 'A', data: address },
  ];
}
