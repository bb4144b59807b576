import type { ReasonCode } from '../../../../policies/reasons.ts';
import { setOf, stanza } from '../../../bridge/bridge.fixture.ts';
import { Bridge } from '../../../bridge/bridge.ts';
import type { Journal, JournalEvent, JournalFields } from '../../../bridge/journal.ts';
import type { Taken } from '../../../bridge/ports.ts';
import type { Stanza } from '../../../bridge/stanza.ts';
import { OutboxTable } from '../../../store/outbox-table.ts';
import { kept, TestStore } from '../../../store/store.fixture.ts';
import type { Store } from '../../../store/store.ts';
import type {
  Answer,
  InRequest,
  OutCall,
  OutRequest,
  Reply,
  SipHandlers,
  SipStack,
  SubscribeResult,
  Trunk,
} from '../../port.ts';
import { FakeClock } from '../../transaction/testing/fake-clock.ts';
import type { MessagingOptions } from '../messaging-context.ts';
import { SipEdge } from '../sip-edge.ts';

export const POLICY = 'partner: fabrikam.example\nspeaks: sip\nmessages: { allow: both }\n';

/** A request that went out on a trunk and waits for its reply. */
export interface Sent {
  readonly request: OutRequest;
  reply(status: number, more?: Partial<Reply>): void;
}

/** A trunk in memory: what is sent on it waits until the test replies. */
export class FakeTrunk implements Trunk {
  readonly id: string;
  readonly domain: string;
  readonly kind: 'partner' | 'home';
  state: Trunk['state'] = 'up';
  readonly sent: Sent[] = [];
  /** Replies at once, where given. */
  replies: ((request: OutRequest) => number) | undefined;

  constructor(domain: string, kind: Trunk['kind'] = 'partner') {
    this.id = domain;
    this.domain = domain;
    this.kind = kind;
  }

  request(request: OutRequest): Promise<Reply> {
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const reply = (status: number, more: Partial<Reply> = {}) =>
      resolve({ status, reason: '', origin: 'peer', headers: headersOf({}), ...more });
    this.sent.push({ request, reply });
    if (this.replies !== undefined) reply(this.replies(request));
    return promise;
  }

  invite(): OutCall {
    throw new Error('no calls here');
  }

  subscribe(): Promise<SubscribeResult> {
    throw new Error('no subscriptions here');
  }
}

export interface SipBorderOptions {
  readonly policies?: readonly string[];
  readonly messaging?: Partial<MessagingOptions>;
  /** Whether the outbox keeps what crosses; without it nothing does. */
  readonly keep?: boolean;
}

/**
 * The messaging edge between a SIP stack in memory and a home that does as the test says, with the real bridge, outbox
 * and store in between.
 */
export class SipBorder {
  readonly clock = new FakeClock();
  readonly trunk = new FakeTrunk('fabrikam.example');
  readonly refusals: { readonly event: JournalEvent; readonly reason: ReasonCode; readonly fields: JournalFields }[] =
    [];
  /** What the home was handed. */
  readonly delivered: Stanza[] = [];
  /** What the home answers to what it is handed: by default that it has taken it. */
  home: (stanza: Stanza) => Taken = (handed) => this.takes(handed);
  readonly edge: SipEdge;
  readonly bridge: Bridge;
  readonly #files = new TestStore();
  readonly #store: Store;
  readonly #handlers: SipHandlers;
  #unique = 0;

  constructor({ policies = [POLICY], messaging = {}, keep = true }: SipBorderOptions = {}) {
    this.#store = this.#files.open();
    const store = this.#store;
    const journal: Journal = {
      note: () => undefined,
      refuse: (event, reason, fields) => this.refusals.push({ event, reason, fields }),
    };
    this.bridge = new Bridge({
      homeDomains: ['contoso.example'],
      policies: setOf(...policies),
      journal,
      now: Date.now,
      outbox: keep
        ? {
            store: {
              table: new OutboxTable(store),
              write: (work, failed) => store.write(work, failed),
              whenKept: (then) => store.whenKept(then),
              read: (bytes) => stanza(bytes.toString()),
            },
            limits: { messages: 1_000, bytes: 1_000_000, ageMs: 60_000 },
          }
        : undefined,
    });
    this.edge = new SipEdge({
      host: this.bridge,
      journal,
      stack: this.#stack(),
      clock: this.clock,
      now: Date.now,
      options: {
        answerWithinMs: 5_000,
        name: 'contoso.example',
        queue: { messages: 100, bytes: 1_000_000, parallel: 10 },
        ...messaging,
      },
      policyOf: (domain) => {
        const {
          sipsToXmpp = false,
          receipts = 'none',
          messageBytes = 1_300,
        } = this.bridge.policies.partnerOf(domain)?.trunk?.section ?? {};
        return { sipsToXmpp, receipts: receipts === 'imdn', messageBytes };
      },
      unique: () => String(this.#unique++).padStart(32, '0'),
      random: () => 0.5,
    });
    this.#handlers = this.edge.handlers;
    this.bridge.connect(this.edge, {
      deliver: (_partner, handed) => {
        this.delivered.push(handed);
        return this.home(handed);
      },
      room: () => undefined,
    });
    this.bridge.start();
  }

  /** The home has taken a stanza, and says so. */
  takes(handed: Stanza): Taken {
    this.bridge.delivered(handed);
    return 'more';
  }

  /** The home server answers a stanza with an error, which the gateway reads. */
  homeRefuses({ from, to, id }: Stanza, condition: string, type = 'cancel'): void {
    const error = `<error type="${type}"><${condition} xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`;
    this.says(`<message from="${to}" to="${from}" type="error" id="${id}">${error}</message>`);
  }

  /** A stanza of a local user. */
  says(xml: string): boolean {
    const said = stanza(xml);
    return this.bridge.outbound(said.to.split('/', 1)[0]?.replace(/^.*@/, '') ?? '', said);
  }

  /** A message of Ann for Bob, with its text as its id. */
  say(text: string, to = 'bob@fabrikam.example'): boolean {
    return this.says(
      `<message from="ann@contoso.example/desk" to="${to}" id="${text}" type="chat"><body>${text}</body></message>`,
    );
  }

  /** A MESSAGE of Bob for Ann. */
  request(
    more: Partial<InRequest> & { readonly text?: string; readonly header?: Readonly<Record<string, string>> } = {},
  ): Promise<Answer> {
    const { text = 'hello', header = {}, ...rest } = more;
    return this.#handlers.request({
      trunk: this.trunk,
      method: 'MESSAGE',
      target: 'sip:ann@contoso.example',
      from: { uri: 'sip:bob@fabrikam.example' },
      to: { uri: 'sip:ann@contoso.example' },
      callId: 'call-1',
      hops: 70,
      headers: headersOf(header),
      body: { type: 'text/plain', content: Buffer.from(text) },
      ...rest,
    });
  }

  trunkIs(state: 'up' | 'down'): void {
    this.trunk.state = state;
    this.#handlers.trunk(this.trunk, state);
  }

  /** Resolves once what was said so far has gone through the store, and what that set off too. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < 6; turn++) {
      this.#store.write(() => undefined);
      await kept(this.#store);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Errors that the home was handed, as `id condition`, and other messages as their ids. */
  get atHome(): string[] {
    return this.delivered.map(({ id, type, bytes }) => {
      const [, condition] = /<error[^>]*><([a-z-]+) /.exec(bytes.toString()) ?? [];
      return type === 'error' ? `${id} ${condition}` : id;
    });
  }

  /** Texts that are out on the trunk or have been. */
  get texts(): string[] {
    return this.trunk.sent.map(({ request }) => request.body?.content.toString() ?? '');
  }

  async close(): Promise<void> {
    const closed = this.edge.close();
    this.clock.advance(10_000);
    await closed;
    this.bridge.close();
    await this.settled();
    this.#files.remove();
  }

  #stack(): SipStack {
    return {
      start: async () => [],
      trunkFor: (domain) =>
        domain === 'fabrikam.example' || domain.endsWith('.fabrikam.example') ? this.trunk : undefined,
      drain: async () => undefined,
      close: async () => undefined,
    };
  }
}

export function headersOf(values: Readonly<Record<string, string>>): InRequest['headers'] {
  const byName = new Map(Object.entries(values).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    get: (name) => byName.get(name.toLowerCase()),
    all: (name) => [byName.get(name.toLowerCase())].filter((value) => value !== undefined),
  };
}
