import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, issueCertificate } from '../../../../pki/issue.ts';
import type { Stanza } from '../../../bridge/stanza.ts';
import { Store } from '../../../store/store.ts';
import type { ListenerLimits } from '../../../xmpp/listener.ts';
import { OwnCertificates } from '../../../xmpp/own-certificates.ts';
import { openLimits, presentable } from '../../../xmpp/testing/edge.fixture.ts';
import { RecordingJournal } from '../../../xmpp/testing/recording.fixture.ts';
import { Watch } from '../../../xmpp/testing/watch.fixture.ts';
import { Accounts } from '../accounts.ts';
import { ClientEdge, type ClientEdgeOptions, type ClientListenOn } from '../client-edge.ts';
import type { Session, SessionHost } from '../session.ts';

export const DOMAIN = 'home.example';
/** The fewest that clients accept, so that tests are fast. */
const ITERATIONS = 4096;

export const clientEdgeOptions: ClientEdgeOptions = {
  scanner: { elementBytes: 262_144, depth: 32, attributes: 32 },
  unprovenBytes: 65_536,
  authTimeoutMs: 10_000,
  idleMs: 180_000,
  resumptionMs: 600_000,
  tlsRequired: true,
  resources: 5,
  lockOut: { perAccount: 5, perAddress: 50, periodMs: 60_000 },
  queue: { stanzas: 1000, bytes: 1_000_000 },
  features: [],
};

/** Users as small as can be: what a client sends goes to the session it names; messages are mail until settled. */
export class FakeUsers implements SessionHost {
  readonly watch = new Watch();
  readonly received: { session: Session; stanza: Stanza }[] = [];
  readonly settledMail: number[] = [];
  readonly closedSessions: { session: Session; unsettled: readonly number[] }[] = [];
  readonly restoredSessions: { session: Session; remembered: string; mail: readonly number[] }[] = [];
  readonly openedSessions: Session[] = [];
  readonly sessions = new Map<string, Session>();
  /** What rows hold, for restored sessions: the caller keeps it across restarts. */
  readonly mail: Map<number, Stanza>;
  /** What is done with a stanza besides recording it. */
  onStanza: (session: Session, stanza: Stanza) => void = (_session, stanza) => this.forward(stanza);
  readonly #store: Store;
  #stalled: (() => void)[] | undefined;

  constructor(store: Store, mail: Map<number, Stanza>) {
    this.#store = store;
    this.mail = mail;
    // Something that is stored for each stanza, to see that positions are kept with it.
    store.write(() => store.prepare('CREATE TABLE IF NOT EXISTS received (id TEXT) STRICT').run());
  }

  forward(stanza: Stanza): void {
    const session = this.sessions.get(stanza.to);
    if (session) this.post(session, stanza);
  }

  /** Sends a stanza as mail; returns its row. */
  post(session: Session, stanza: Stanza): number {
    const row = Math.max(0, ...this.mail.keys()) + 1;
    this.mail.set(row, stanza);
    session.send(stanza, row);
    return row;
  }

  opened(session: Session): void {
    this.sessions.set(session.jid, session);
    this.openedSessions.push(session);
    this.watch.changed();
  }

  restored(session: Session, remembered: string, mail: readonly number[]): void {
    this.sessions.set(session.jid, session);
    this.restoredSessions.push({ session, remembered, mail });
    for (const row of mail) {
      const stanza = this.mail.get(row);
      if (stanza) session.send(stanza, row);
    }
  }

  stanza(session: Session, stanza: Stanza): void {
    this.received.push({ session, stanza });
    this.#store.write(() => this.#store.prepare('INSERT INTO received VALUES (?)').run(stanza.id));
    this.onStanza(session, stanza);
    this.watch.changed();
  }

  settled(mail: number): void {
    this.settledMail.push(mail);
    this.mail.delete(mail);
    this.watch.changed();
  }

  closed(session: Session, unsettled: readonly number[]): void {
    if (this.sessions.get(session.jid) === session) this.sessions.delete(session.jid);
    this.closedSessions.push({ session, unsettled });
    this.watch.changed();
  }

  whenKept(then: () => void): void {
    if (this.#stalled === undefined) this.#store.whenKept(then);
    else this.#stalled.push(then);
  }

  /** From now on nothing is kept, as on a disk that is stuck. */
  stall(): void {
    this.#stalled = [];
  }

  /** What was to be kept is kept. */
  proceed(): void {
    const waiting = this.#stalled ?? [];
    this.#stalled = undefined;
    for (const then of waiting) then();
  }

  /** Waits for so many stanzas, and returns their ids. */
  ids(count: number): Promise<string[]> {
    return this.watch.until(() => this.received.length >= count && this.received.map(({ stanza }) => stanza.id));
  }

  /** Waits for a session to be opened or still to be there. */
  session(jid: string): Promise<Session> {
    return this.watch.until(() => this.sessions.get(jid));
  }
}

export interface WorldOptions {
  readonly over?: readonly ClientListenOn['over'][];
  readonly options?: Partial<ClientEdgeOptions>;
  readonly domains?: readonly string[];
  readonly host?: string;
  readonly limits?: ListenerLimits;
}

/** A client edge on loopback over a store of its own, which it keeps across restarts. */
export class ClientWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'client-edge-'));
  readonly clock = { now: Date.now() };
  readonly mail = new Map<number, Stanza>();
  readonly journal = new RecordingJournal(new Watch());
  readonly certificatePem: string;
  readonly certificates: OwnCertificates;
  readonly #options: WorldOptions;
  #edge: ClientEdge | undefined;
  #users: FakeUsers | undefined;
  #store: Store | undefined;
  #accounts: Accounts | undefined;
  #bound: readonly ClientListenOn[] = [];

  static async start(options: WorldOptions = {}): Promise<ClientWorld> {
    const authority = await createAuthority({ name: 'Client test authority' });
    const pair = await issueCertificate(authority, { domains: options.domains ?? [DOMAIN] });
    const certificates = new OwnCertificates([presentable(pair)], { minVersion: 'TLSv1.2' });
    const world = new ClientWorld(options, authority.certificatePem, certificates);
    try {
      await world.begin();
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  private constructor(options: WorldOptions, certificatePem: string, certificates: OwnCertificates) {
    this.#options = options;
    this.certificatePem = certificatePem;
    this.certificates = certificates;
  }

  get users(): FakeUsers {
    return present(this.#users);
  }

  get edge(): ClientEdge {
    return present(this.#edge);
  }

  get store(): Store {
    return present(this.#store);
  }

  get accounts(): Accounts {
    return present(this.#accounts);
  }

  get file(): string {
    return join(this.folder, 'drawbridge.sqlite');
  }

  port(over: ClientListenOn['over'] = 'starttls'): number {
    return present(this.#bound.find((on) => on.over === over)).port;
  }

  /** Starts on what the folder holds. */
  async begin(): Promise<void> {
    const { over = ['starttls'], options, domains = [DOMAIN], host = '127.0.0.1', limits = openLimits } = this.#options;
    const now = (): number => this.clock.now;
    this.#store = Store.open({ file: this.file, fsync: 'checkpoint', bytes: 2 ** 30, now });
    this.#accounts = new Accounts(this.#store, { now, iterations: ITERATIONS });
    this.#users = new FakeUsers(this.#store, this.mail);
    this.#edge = new ClientEdge({
      host: this.#users,
      store: this.#store,
      accounts: this.#accounts,
      certificates: this.certificates,
      journal: this.journal,
      domains,
      listen: over.map((kind) => ({ host, port: 0, over: kind })),
      limits,
      options: { ...clientEdgeOptions, ...options },
      now,
    });
    this.#bound = await this.#edge.start();
  }

  /** Stops as a signal does. */
  async stop(): Promise<void> {
    await this.edge.close();
    this.store.close();
  }

  /** What `kill -9` at this very moment would leave behind, is what it begins with again. */
  async crash(): Promise<void> {
    const mail = new Map(this.mail);
    const names = [this.file, `${this.file}-wal`];
    const left = names.map((name) => readFileSync(name));
    await this.stop();
    rmSync(`${this.file}-shm`, { force: true });
    for (const [n, name] of names.entries()) writeFileSync(name, left[n] ?? '');
    this.mail.clear();
    for (const [row, stanza] of mail) this.mail.set(row, stanza);
    await this.begin();
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true });
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('The world has not begun.');
  return value;
}
