import type { KeyPair } from './authority.ts';
import type { SmClient } from './client-sm.ts';
import { Correspondent } from './correspondent.ts';
import { Crowds } from './crowds.ts';
import type { GatewayProcess } from './gateway.ts';
import type { Prosody } from './prosody.ts';
import type { Relay } from './relay.ts';
import { World } from './world.ts';

const homeDomain = 'h.example';
const partnerDomain = 'p.example';
/** A partner whose streams are short. */
export const visitor = 'visitor.example';
/** Users of each side that talk. */
const talkers = Array.from({ length: 8 }, (_, index) => `user${index}`);
const receiver = 'receiver';
const comer = 'comer';
const password = 'pass';

const policy = (partner: string) => `partner: ${partner}
trust: { accept: [certificate] }
presence: [{ local: "*", show: full }]
messages: { allow: both }
`;

/** Everybody who takes part in a soak. */
export class SoakStage {
  readonly gateway: GatewayProcess;
  readonly certificate: KeyPair;
  /** A local user whom visitors write to. */
  readonly receiver: SmClient;
  readonly #world: World;
  readonly #partner: Prosody;
  readonly #relays: readonly [Relay, Relay];
  readonly #locals: SmClient[] = [];
  readonly #remotes: Correspondent[] = [];

  static async start(): Promise<SoakStage> {
    const world = await World.start();
    try {
      return await SoakStage.#build(world);
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  static async #build(world: World): Promise<SoakStage> {
    const usersOf = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, password]));
    const [partner, gateway] = await Promise.all([
      world.prosody({ domain: partnerDomain, users: usersOf(talkers), modules: ['smacks'] }),
      world.gateway({
        home: { users: usersOf([...talkers, receiver, comer]) },
        homeDomains: [homeDomain],
        policies: { 'p.yaml': policy(partnerDomain), 'visitor.yaml': policy(visitor) },
        edge: 'limits: { attempts: 100000/min }',
      }),
    ]);
    const relays = [await world.relay(partnerDomain, partner), await world.relay(homeDomain, gateway)] as const;
    const certificate = await world.authority.issue({ domains: [visitor] });
    return new SoakStage(world, gateway, partner, relays, certificate, await world.smClient(gateway, receiver));
  }

  private constructor(
    world: World,
    gateway: GatewayProcess,
    partner: Prosody,
    relays: readonly [Relay, Relay],
    certificate: KeyPair,
    receiving: SmClient,
  ) {
    this.#world = world;
    this.gateway = gateway;
    this.#partner = partner;
    this.#relays = relays;
    this.certificate = certificate;
    this.receiver = receiving;
  }

  /** Everybody talks, at so many messages a second in all. */
  async crowds(rate: number): Promise<Crowds> {
    for (const name of talkers) this.#locals.push(await this.#world.smClient(this.gateway, name));
    this.#remotes.push(
      ...talkers.map(
        (name) => new Correspondent(`${name}@${partnerDomain}`, () => this.#world.client(this.#partner, name)),
      ),
    );
    await Promise.all(this.#remotes.map((user) => user.online()));
    return Crowds.start(this.#locals, this.#remotes, { limit: 40, paceMs: (2 * talkers.length * 1_000) / rate });
  }

  /** Each breaks the connection of one local user's client. */
  get drops(): [() => void, ...(() => void)[]] {
    const [first, ...others] = [this.receiver, ...this.#locals].map((client) => () => client.drop());
    return [first as () => void, ...others];
  }

  /** Each breaks the streams in one direction. */
  get cuts(): [() => void, ...(() => void)[]] {
    const [one, other] = this.#relays;
    return [() => one.cut(), () => other.cut()];
  }

  /** A local user signs in and goes. */
  async comeAndGo(): Promise<void> {
    const client = await this.#world.smClient(this.gateway, comer);
    await client.close();
  }

  get resumptions(): number {
    return [this.receiver, ...this.#locals].reduce((total, { resumptions }) => total + resumptions, 0);
  }

  get violations(): string[] {
    return [this.receiver, ...this.#locals].flatMap(({ violations }) => violations);
  }

  /** Everybody goes, the partner's server too. */
  async leave(): Promise<void> {
    await Promise.all([...this.#locals, this.receiver].map((client) => client.close()));
    await Promise.all(this.#remotes.map((user) => user.offline()));
    await this.#partner.stop();
  }

  close(): Promise<void> {
    return this.#world.close();
  }
}
