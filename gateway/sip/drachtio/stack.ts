import { foldDomain } from '../../../policies/address.ts';
import { asFault, Fault, type Place } from '../../../policies/fault.ts';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Journal } from '../../bridge/journal.ts';
import type { Evidence, TrustVerdict } from '../../bridge/ports.ts';
import { type DialogLimits, dialogLimits } from '../dialog/core.ts';
import { DigestClient } from '../dialog/digest.ts';
import { type Random, systemRandom } from '../dialog/random.ts';
import { SipRequest } from '../message/message.ts';
import type { SipHandlers, SipStack, Trunk } from '../port.ts';
import { type Clock, systemClock } from '../transaction/clock.ts';
import type { TrunkOptions } from '../trunk/trunk-options.ts';
import { DIALOG_TARGET } from './content.ts';
import { exchange } from './exchange.ts';
import { Owners } from './ground.ts';
import { DrachtioLink } from './link.ts';
import { checkProven, type PeersProvenBy, serverFault } from './proven-by.ts';
import { Reception } from './reception.ts';
import { SenderTable } from './sender-table.ts';
import { DrachtioSession } from './session.ts';
import { DrachtioTrunk, type DrachtioTrunkGround } from './trunk.ts';

/** How a drachtio server is reached, and who answers for the peers that it serves: `edges.sip.drachtio`. */
export interface DrachtioServer {
  readonly host: string;
  readonly port: number;
  /** Asked anew for each connection. */
  secret(): Promise<string>;
  /** Undefined is refused at the start: a drachtio server shows no certificate. */
  readonly peersProvenBy: PeersProvenBy | undefined;
  /** Where all requests are sent first, such as the edge in front: `sip:127.0.0.1:5070;transport=tcp`. */
  readonly proxy?: string | undefined;
  readonly connectMs?: number | undefined;
  /** Where the section stands in gateway.yaml. */
  readonly place?: Place | undefined;
}

export interface DrachtioStackOptions {
  readonly server: DrachtioServer;
  readonly trunks: readonly TrunkOptions[];
  /** Whether this evidence suffices for this partner domain: its policy decides. */
  trust(domain: string, evidence: readonly Evidence[]): TrustVerdict;
  readonly journal: Journal;
  readonly limits?: Partial<DialogLimits>;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** How often draining looks whether it is over, ms. */
const DRAIN_LOOK_MS = 50;

/**
 * The SIP stack of sites whose edge is a drachtio server. It has no proof of who a peer is: {@link checkProven} says
 * who answers for that, and by the source address and the domain of the sender a peer is told from the others.
 */
export class DrachtioStack implements SipStack {
  readonly #options: DrachtioStackOptions;
  readonly #ground: DrachtioTrunkGround;
  readonly #link: DrachtioLink;
  readonly #table: SenderTable<DrachtioTrunk>;
  readonly #reception: Reception;
  readonly #trunks = new Map<string, DrachtioTrunk>();
  #handlers: SipHandlers | undefined;
  #addresses: readonly string[] = [];
  /** Calls that stood when the server was lost: it may still have them. */
  #orphans: string[] = [];
  #draining = false;
  #closing: Promise<void> | undefined;

  /** Throws Faults `drachtio-unproven` and `config-invalid`. */
  constructor(options: DrachtioStackOptions) {
    const { server, clock = systemClock, random = systemRandom, limits } = options;
    checkProven(server, options.trunks);
    this.#options = options;
    this.#link = new DrachtioLink({
      ...server,
      secret: () => server.secret(),
      clock,
      fraction: () => random.fraction(),
      refuses: ({ addresses }) => serverFault(server, addresses),
      user: {
        arrived: (request, response) => this.#reception.arrived(request, response),
        up: ({ addresses }) => this.#up(addresses),
        down: (why) => this.#down(why),
      },
    });
    this.#ground = {
      link: this.#link,
      clock,
      random,
      limits: { ...dialogLimits, ...limits },
      digest: new DigestClient(() => random.token()),
      handlers: () => this.#handlersNow(),
      guarded: (run, failed) => this.#guarded(run, failed),
      dialogs: new Map(),
      awaited: new Map(),
      owners: new Owners(),
      proxy: server.proxy,
      draining: () => this.#draining,
      turned: (trunk, state, why) => this.#turned(trunk, state, why),
    };
    const provenBy = server.peersProvenBy ?? 'administrator';
    this.#table = new SenderTable(provenBy, (domain, evidence) => options.trust(domain, evidence), []);
    this.#reception = new Reception({
      ground: this.#ground,
      table: this.#table,
      trunk: (id) => this.#trunks.get(id),
      journal: options.journal,
      draining: () => this.#draining,
    });
    this.setTrunks(options.trunks);
  }

  /**
   * Resolves with where the server takes SIP over TLS or TCP, by its own account; with nothing where it cannot be
   * reached: then it is tried again and again. Rejects with Faults `drachtio-unproven` and `drachtio-unusable`.
   */
  async start(handlers: SipHandlers): Promise<readonly { readonly host: string; readonly port: number }[]> {
    this.#handlers = handlers;
    await this.#link.start();
    return this.#addresses.flatMap((address) => reliableAddress(address) ?? []);
  }

  trunkFor(domain: string): Trunk | undefined {
    return this.#table.trunkFor(foldDomain(domain) ?? domain);
  }

  /** All trunks as they are now. */
  get trunks(): readonly Trunk[] {
    return [...this.#trunks.values()];
  }

  /** Where the server takes SIP, as it said when it let us in: `tls/192.0.2.1:5061` and the like. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** For metrics: calls and subscriptions that stand, and requests of ours that await their answer. */
  get load(): { readonly standing: number; readonly waiting: number; readonly connected: boolean } {
    return { standing: this.#ground.owners.size, waiting: this.#link.waiting, connected: this.#link.up };
  }

  /** Takes new trunks in place of all. Throws Faults `drachtio-unproven` and `config-invalid`, with everything as it was. */
  setTrunks(trunks: readonly TrunkOptions[]): void {
    checkProven(this.#options.server, trunks);
    if (new Set(trunks.map(({ id }) => id)).size < trunks.length) {
      throw new Fault('config-invalid', 'Two SIP trunks have one id.');
    }
    // Throws before anything changes.
    new SenderTable(
      'administrator',
      () => ({ sufficient: false, reason: 'trust-insufficient' }),
      trunks.map((options) => ({ options })),
    );
    const kept = new Map(trunks.map((options) => [options.id, this.#trunkWith(options)] as const));
    for (const [id, trunk] of this.#trunks) if (kept.get(id) !== trunk) trunk.close();
    this.#trunks.clear();
    for (const [id, trunk] of kept) this.#trunks.set(id, trunk);
    this.#table.replace([...kept.values()]);
    if (this.#link.up) for (const trunk of kept.values()) trunk.resume();
  }

  async drain(ms: number): Promise<void> {
    this.#draining = true;
    const { clock } = this.#ground;
    const until = clock.now() + ms;
    while (this.#busy() && clock.now() < until && this.#closing === undefined) {
      await new Promise<void>((resolve) => clock.setTimeout(resolve, DRAIN_LOOK_MS));
    }
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.resolve();
      this.#close();
    }
    return this.#closing;
  }

  #close(): void {
    this.#draining = true;
    for (const trunk of this.#trunks.values()) trunk.close();
    for (const owner of this.#ground.owners.all()) owner.close();
    // What was handed over by now still goes out, and the server sends it whether we wait or not.
    this.#link.close();
    for (const owner of this.#ground.owners.all()) owner.lost();
  }

  #busy(): boolean {
    return this.#ground.owners.calls + this.#link.waiting + this.#reception.asked > 0;
  }

  #trunkWith(options: TrunkOptions): DrachtioTrunk {
    const known = this.#trunks.get(options.id);
    if (known === undefined || known.kind !== options.kind || known.domain !== options.domain) {
      return new DrachtioTrunk(options, this.#ground);
    }
    known.reconfigure(options);
    return known;
  }

  #handlersNow(): SipHandlers {
    if (this.#handlers === undefined) throw new Fault('internal', 'The SIP stack was not started.');
    return this.#handlers;
  }

  #up(addresses: readonly string[]): void {
    this.#addresses = addresses;
    for (const dialogId of this.#orphans.splice(0)) {
      const bye = new SipRequest('BYE', DIALOG_TARGET);
      bye.headers.append('Reason', 'SIP;cause=503;text="Control Lost"');
      void exchange(this.#ground, bye, { dialogId });
    }
    for (const trunk of this.#trunks.values()) {
      trunk.resume();
      this.#turned(trunk, 'up', undefined);
    }
  }

  /** What stood on the server is nobody's now: it tells no new connection of it. Its calls are ended when it is back. */
  #down(why: string): void {
    for (const [dialogId, owner] of this.#ground.dialogs) {
      if (owner instanceof DrachtioSession && this.#orphans.length < this.#ground.limits.calls)
        this.#orphans.push(dialogId);
    }
    for (const owner of this.#ground.owners.all()) owner.lost();
    if (this.#closing !== undefined) return;
    for (const trunk of this.#trunks.values()) {
      trunk.pause();
      this.#turned(trunk, 'down', `the drachtio server: ${why}`);
    }
  }

  #turned(trunk: DrachtioTrunk, state: 'up' | 'down', why: string | undefined): void {
    const { journal } = this.#options;
    const fields = { partner: trunk.domain, trunk: trunk.id };
    if (state === 'up') journal.note('trunk-up', fields);
    else journal.refuse('trunk-down', 'remote-unreachable', { ...fields, detail: why });
    this.#handlers?.trunk(trunk, state, why);
  }

  #guarded(run: () => void, failed?: (code: ReasonCode) => void): void {
    try {
      run();
    } catch (error) {
      const { code, message } = asFault(error);
      this.#options.journal.refuse('defect', code, { detail: message });
      failed?.(code);
    }
  }
}

/** Of `tls/192.0.2.1:5061` or `tcp/[::1]:5060`; undefined for datagrams and WebSockets. */
function reliableAddress(text: string): { readonly host: string; readonly port: number } | undefined {
  const [, host = '', port = ''] = /^(?:tls|tcp)\/\[?([^\]]*?)\]?:(\d{1,5})$/i.exec(text) ?? [];
  return host === '' ? undefined : { host, port: Number(port) };
}
