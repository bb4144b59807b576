import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'ltx';
import type { ReasonCode } from '../../../policies/reasons.ts';
import type { Stanza, StanzaName } from '../../bridge/stanza.ts';
import { Store } from '../../store/store.ts';
import { LocalUsers, type LocalUsersOptions } from './local-users.ts';
import { readdress } from './readdress.ts';
import type { LocalAddress, Session } from './session.ts';

/** A client that takes down what it is sent. */
export class Client implements Session {
  readonly id: string;
  readonly address: LocalAddress;
  readonly jid: string;
  readonly mail: number[] = [];
  remembered = '';
  crowded = false;
  reading = true;
  ended = '';
  /** Whether it confirms what it is sent, at once. */
  confirms = true;
  readonly #sent: string[] = [];
  readonly #home: Home;

  constructor(home: Home, jid: string, id = jid) {
    const [bare = '', resource = ''] = jid.split('/');
    const [local = '', domain = ''] = bare.split('@');
    this.#home = home;
    this.id = id;
    this.jid = jid;
    this.address = { local, domain, resource };
  }

  send(stanza: Stanza, mail?: number): void {
    this.#sent.push(stanza.bytes.toString());
    if (mail === undefined) return;
    if (this.confirms) this.#home.users.settled(mail);
    else this.mail.push(mail);
  }

  remember(text: string): void {
    this.remembered = text;
  }

  pause(): void {
    this.reading = false;
  }

  resume(): void {
    this.reading = true;
  }

  close(condition: string): void {
    this.ended = condition;
  }

  /** The client sends this, and the home has done with it when it resolves. */
  async says(xml: string): Promise<void> {
    this.#home.users.stanza(this, readdress(stanza(xml), { from: this.jid }));
    await this.#home.done();
  }

  /** The client confirms one message, or all. */
  confirm(count = this.mail.length): void {
    for (const mail of this.mail.splice(0, count)) this.#home.users.settled(mail);
  }

  async leaves(): Promise<void> {
    this.#home.users.closed(this);
    await this.#home.done();
  }

  /** What it was sent since the last time. */
  take(): string[] {
    return this.#sent.splice(0);
  }
}

const options: LocalUsersOptions = {
  domains: ['contoso.example'],
  unserved: ['rooms.contoso.example'],
  mailbox: { messages: 500, bytes: 200_000, age: 86_400_000, senderBytes: 10_000_000 },
  contacts: 50,
  vcardBytes: 4_096,
  version: '1.2.3',
};

/** The users' side over a real store, between clients and a middle that take down what they are given. */
export class Home {
  readonly #folder = mkdtempSync(join(tmpdir(), 'drawbridge-users-'));
  readonly #outbound: string[] = [];
  readonly #dead: Store[] = [];
  readonly accounts = new Set(['romeo', 'juliet', 'nurse', 'ben']);
  readonly delivered: Stanza[] = [];
  readonly undeliverable: (readonly [string, ReasonCode])[] = [];
  /** Whether the middle has room. */
  room = true;
  now = Date.UTC(2026, 0, 1);
  store: Store;
  users: LocalUsers;
  readonly #options: LocalUsersOptions;
  readonly #storeBytes: number;

  constructor(change: Partial<LocalUsersOptions> = {}, storeBytes = 64 * 1024 * 1024) {
    this.#options = { ...options, ...change };
    this.#storeBytes = storeBytes;
    this.store = this.#open();
    this.users = this.#make();
  }

  /** A client signs in; what it is sent at that is in `take()`. */
  async signIn(jid: string, ...says: string[]): Promise<Client> {
    const client = new Client(this, jid, `${jid} ${Math.random()}`);
    this.users.opened(client);
    for (const xml of says) await client.says(xml);
    await this.done();
    return client;
  }

  /** A stanza of a partner's arrives. */
  async arrives(xml: string): Promise<Stanza> {
    const arriving = stanza(xml);
    this.users.inbound(arriving);
    await this.done();
    return arriving;
  }

  /** What went to partners since the last time. */
  takeOutbound(): string[] {
    return this.#outbound.splice(0);
  }

  /** Resolves when everything is kept, and what came of that too. */
  async done(): Promise<void> {
    for (let round = 0; round < 4; round++) await new Promise<void>((resolve) => this.store.whenKept(resolve));
  }

  /** The process dies, and another takes its place: what is not kept is lost, sessions too unless `restore` brings them. */
  crash(restore: (users: LocalUsers) => void = () => undefined): void {
    this.#dead.push(this.store);
    this.store = this.#open();
    this.users = this.#make();
    restore(this.users);
    this.users.recovered();
  }

  close(): void {
    for (const store of [...this.#dead, this.store]) store.close();
    rmSync(this.#folder, { recursive: true });
  }

  #open(): Store {
    const file = join(this.#folder, 'store.sqlite');
    const now = () => this.now;
    return Store.open({ file, fsync: 'checkpoint', bytes: this.#storeBytes, now, onFault: () => undefined });
  }

  #make(): LocalUsers {
    return new LocalUsers({
      host: {
        outbound: (_partner, { bytes }) => {
          this.#outbound.push(bytes.toString());
          return this.room;
        },
        delivered: (stanza) => {
          this.delivered.push(stanza);
        },
        undeliverable: ({ bytes }, reason) => {
          this.undeliverable.push([bytes.toString(), reason]);
        },
      },
      store: this.store,
      accounts: { exists: (local, domain) => domain === 'contoso.example' && this.accounts.has(local) },
      options: this.#options,
    });
  }
}

/** A stanza as a stream hands it over, read by another parser than theirs. */
export function stanza(xml: string): Stanza {
  const tree = parse(xml);
  const { from = '', to = '', type = '', id = '' } = tree.attrs;
  const children = tree.children.filter((node) => typeof node !== 'string');
  const [child] = children;
  return {
    name: tree.name as StanzaName,
    from,
    to,
    type,
    id,
    childName: child?.getName() ?? '',
    childNamespace: child?.getNS() ?? '',
    children: children.length,
    bytes: Buffer.from(xml),
  };
}
