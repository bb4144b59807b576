import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, issueCertificate } from '../../pki/issue.ts';
import { DemoClient } from './client.ts';
import { loopbackAddresses, Ports } from './loopback.ts';
import { Organisation, type OrganisationPlan, type SipPorts } from './organisation.ts';
import { Pbx } from './pbx.ts';
import { policyForContoso, policyForFabrikam, policyForNorthwind } from './policies.ts';
import type { Cast, Scene, Stranger } from './scene.ts';
import { SipPartner } from './sip-partner.ts';
import { type ZoneRecord, ZoneServer } from './zone-server.ts';

const plans = {
  contoso: {
    domain: 'contoso.example',
    users: { alice: 'moat-and-tower', ceo: 'portcullis' },
    policies: { 'fabrikam.example.yaml': policyForFabrikam, 'northwind.example.yaml': policyForNorthwind },
  },
  fabrikam: {
    domain: 'fabrikam.example',
    users: { bob: 'gatehouse' },
    policies: { 'contoso.example.yaml': policyForContoso },
  },
} as const satisfies Record<string, OrganisationPlan>;
const sipPlan = { domain: 'northwind.example', user: 'dora' };

const ZONE = 'example';
const NAME_SERVER = '127.0.0.1';
const STRANGER = 'tailspin.example';

/** Two organisations on loopback and the world around them: DNS, a PBX, a partner that speaks SIP, and a server that is nobody's partner. */
export class Stage implements Scene {
  readonly contoso: Organisation;
  readonly fabrikam: Organisation;
  readonly northwind: SipPartner;
  readonly pbx: Pbx;
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
    const [one = '', other = '', third = ''] = await loopbackAddresses(3);
    const found = async (plan: OrganisationPlan, address: string, sip?: SipPorts): Promise<Organisation> => {
      const own = join(folder, plan.domain);
      await mkdir(own);
      return Organisation.found(plan, { folder: own, address, ports, sip });
    };
    const sip = { trunks: await ports.take(one, 'sips'), pbx: await ports.take(one, 'sip') };
    const contoso = await found(plans.contoso, one, sip);
    const fabrikam = await found(plans.fabrikam, other);
    const northwind = await SipPartner.found(sipPlan, { address: third, port: await ports.take(third, 'sips') });
    const pbx = new Pbx({ domain: contoso.domain, address: one, port: sip.pbx });
    const strangers = await createAuthority({ name: `Private authority of ${STRANGER}` });
    const certificate = await issueCertificate(strangers, { domains: [STRANGER] });

    const records = [...[contoso, fabrikam].flatMap(recordsOf), ...sipRecordsOf(northwind)];
    const dns = new ZoneServer({ zone: ZONE, records, address: NAME_SERVER });
    await dns.start();
    const nameServer = nameServerOf(dns);
    await contoso.layOut({
      nameServer,
      // Even a stranger whose authority is trusted stays a stranger.
      trusted: {
        [fabrikam.domain]: fabrikam.authorityPem,
        [northwind.domain]: northwind.authorityPem,
        [STRANGER]: strangers.certificatePem,
      },
    });
    await fabrikam.layOut({ nameServer, trusted: { [contoso.domain]: contoso.authorityPem } });
    const stranger = { domain: STRANGER, certificate };
    return new Stage({ folder, contoso, fabrikam, northwind, pbx, stranger }, dns);
  }

  private constructor(
    set: Pick<Stage, 'folder' | 'contoso' | 'fabrikam' | 'northwind' | 'pbx' | 'stranger'>,
    dns: ZoneServer,
  ) {
    this.folder = set.folder;
    this.contoso = set.contoso;
    this.fabrikam = set.fabrikam;
    this.northwind = set.northwind;
    this.pbx = set.pbx;
    this.stranger = set.stranger;
    this.#dns = dns;
  }

  get cast(): Cast {
    if (this.#cast === undefined) throw new Error('nobody has signed in');
    return this.#cast;
  }

  async open(signal: AbortSignal): Promise<readonly [number, number]> {
    const nameServer = nameServerOf(this.#dns);
    // At once, so that whoever closes meanwhile finds them all.
    const started = await Promise.all([
      this.contoso.daemon.start(),
      this.fabrikam.daemon.start(),
      this.northwind.start({ nameServer, partner: this.contoso }),
      this.pbx.start({ nameServer }),
    ]);
    const [alice, ceo, bob] = await Promise.all([
      this.#signIn(this.contoso, 'alice', signal),
      this.#signIn(this.contoso, 'ceo', signal),
      this.#signIn(this.fabrikam, 'bob', signal),
    ]);
    this.#cast = { alice, ceo, bob };
    return [started[0].ms, started[1].ms];
  }

  /** Lets the users of the tour go offline; the gateways stay, and the SIP partner answers whoever writes to it. */
  dismiss(): void {
    this.#dismissed = true;
    this.northwind.startAnswering();
    for (const client of this.#clients) client.close();
  }

  /** Leaves the folder where it is, for somebody to look into. */
  keepFolder(): void {
    this.#kept = true;
  }

  /** Ends everything, in order. Idempotent. */
  async close(): Promise<void> {
    this.dismiss();
    await Promise.all([this.contoso.daemon.close(), this.fabrikam.daemon.close()]);
    await Promise.all([this.northwind.close(), this.pbx.close(), this.#dns.close()]);
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

function nameServerOf({ port }: ZoneServer): string {
  return `${NAME_SERVER}:${port}`;
}

/** RFC 6120 §3.2.1, for servers and for clients; SIP where there is any. */
function recordsOf({ domain, host, address, xmppServer, xmppClient, sip }: Organisation): ZoneRecord[] {
  return [
    service('xmpp-server', domain, host, xmppServer),
    service('xmpp-client', domain, host, xmppClient),
    ...(sip === undefined ? [] : [service('sips', domain, host, sip.trunks)]),
    { name: host, type: 'A', data: address },
  ];
}

/** RFC 3263 §4.1: SIP over TLS, over TCP. */
function sipRecordsOf({ domain, host, address, port }: SipPartner): ZoneRecord[] {
  return [service('sips', domain, host, port), { name: host, type: 'A', data: address }];
}

function service(name: string, domain: string, target: string, port: number): ZoneRecord {
  return { name: `_${name}._tcp.${domain}`, type: 'SRV', data: { priority: 0, weight: 0, port, target } };
}
