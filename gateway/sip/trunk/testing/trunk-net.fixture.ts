import { connect, createServer, type Server, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { DnsServer } from '../../../../conformance/dns-server.ts';
import { type Authority, type CertificateOptions, createAuthority, issueCertificate } from '../../../../pki/issue.ts';
import { trustFromPem } from '../../../../pki/trust.ts';
import { Resolver } from '../../../dns/resolver.ts';
import { RecordingJournal } from '../../../xmpp/testing/recording.fixture.ts';
import { Watch } from '../../../xmpp/testing/watch.fixture.ts';
import type { SipRequest } from '../../message/message.ts';
import type { Answer, InCall, InRequest, SipHandlers, SubscribeAnswer, Trunk } from '../../port.ts';
import type { Flow } from '../../transport/flow.ts';
import { Flows } from '../../transport/flows.ts';
import { trunkContext } from '../../transport/tls.ts';
import { OwnSipStack, type OwnSipStackOptions } from '../stack.ts';
import type { TrunkOptions } from '../trunk-options.ts';

type Subscribing = Parameters<SipHandlers['subscribe']>[0];

/** What a stack brings in, to read in; answers as the test says. */
export class RecordingHandlers implements SipHandlers {
  readonly watch = new Watch();
  readonly calls: InCall[] = [];
  readonly requests: InRequest[] = [];
  readonly turns: string[] = [];
  answer: (request: InRequest) => Promise<Answer> = async () => ({ status: 200 });
  subscribed: (request: Subscribing) => Promise<SubscribeAnswer> = async () => ({
    accept: false,
    answer: { status: 489 },
  });
  called: (call: InCall) => void = () => undefined;

  invite(call: InCall): void {
    this.calls.push(call);
    this.called(call);
    this.watch.changed();
  }

  request(request: InRequest): Promise<Answer> {
    this.requests.push(request);
    this.watch.changed();
    return this.answer(request);
  }

  subscribe(request: Subscribing): Promise<SubscribeAnswer> {
    return this.subscribed(request);
  }

  trunk(trunk: Trunk, state: 'up' | 'down'): void {
    this.turns.push(`${trunk.id} ${state}`);
    this.watch.changed();
  }
}

export interface TestStack {
  readonly stack: OwnSipStack;
  readonly handlers: RecordingHandlers;
  readonly journal: RecordingJournal;
  readonly port: number;
  /** Shown from the next handshake on. */
  context: SecureContext;
}

export interface TestStackOptions {
  readonly domain: string;
  readonly trunks: readonly TrunkOptions[];
  readonly certificate?: CertificateOptions;
  /** Default one over TLS. */
  readonly listen?: OwnSipStackOptions['listen'];
  readonly more?: Partial<OwnSipStackOptions>;
}

export interface Relay {
  readonly port: number;
  cut(): void;
  /** Takes no more connections. */
  close(): void;
  /** Connections taken. */
  taken(): number;
}

/** One authority, one DNS server, and the stacks that live by them on loopback. */
export class TrunkNet {
  readonly dns: DnsServer;
  readonly authority: Authority;
  readonly #stacks: OwnSipStack[] = [];
  readonly #resolver: Resolver;
  readonly #servers: Server[] = [];
  readonly #peers: Flows[] = [];

  static async start(): Promise<TrunkNet> {
    const [dns, authority] = await Promise.all([new DnsServer().start(), createAuthority({ name: 'Test authority' })]);
    return new TrunkNet(dns, authority);
  }

  private constructor(dns: DnsServer, authority: Authority) {
    this.dns = dns;
    this.authority = authority;
    this.#resolver = new Resolver({ servers: [dns.address], dnssec: 'off' });
  }

  async context(options: CertificateOptions): Promise<SecureContext> {
    const pair = await issueCertificate(this.authority, options);
    return trunkContext({ certPem: pair.certificatePem, keyPem: pair.keyPem });
  }

  async stack({ domain, trunks, certificate, listen, more }: TestStackOptions): Promise<TestStack> {
    const handlers = new RecordingHandlers();
    const journal = new RecordingJournal(handlers.watch);
    const shown = { context: await this.context(certificate ?? { domains: [], uris: [`sip:${domain}`] }) };
    const stack = new OwnSipStack({
      trunks,
      listen: listen ?? [{ host: '127.0.0.1', port: 0, tls: true }],
      resolver: this.#resolver,
      anchors: trustFromPem([this.authority.certificatePem]),
      trust: (_, evidence) => ({ sufficient: evidence.some(({ holds }) => holds), reason: 'allowed' }),
      journal,
      secureContextFor: () => shown.context,
      ...more,
    });
    this.#stacks.push(stack);
    const [bound] = await stack.start(handlers);
    return {
      stack,
      handlers,
      journal,
      port: bound?.port ?? 0,
      get context() {
        return shown.context;
      },
      set context(context) {
        shown.context = context;
      },
    };
  }

  /** A peer that does with messages what the test says; resolves with its port. */
  async peer(domain: string, received: (flow: Flow, request: SipRequest) => void): Promise<number> {
    const context = await this.context({ domains: [domain] });
    const flows = new Flows({
      user: {
        message: (flow, message) => {
          if (message.kind === 'request') received(flow, message);
        },
        closed: () => undefined,
      },
      secureContextFor: () => context,
      identitiesOf: () => [],
      judge: () => undefined,
    });
    this.#peers.push(flows);
    return (await flows.listen({ host: '127.0.0.1', port: 0, tls: true })).port;
  }

  /** A relay to another port; `cut` ends all its connections at once, without a word. */
  async relay(to: number): Promise<Relay> {
    const sockets = new Set<Socket>();
    let taken = 0;
    const port = await this.server((near) => {
      taken++;
      const far = connect(to, '127.0.0.1');
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(one);
        one.pipe(other);
        one.on('error', () => other.destroy());
        one.on('close', () => sockets.delete(one) && other.destroy());
      }
    });
    const cut = () => {
      for (const socket of sockets) socket.destroy();
    };
    const server = this.#servers.at(-1);
    const close = () => {
      server?.close();
      cut();
    };
    return { port, cut, close, taken: () => taken };
  }

  /** Names servers of a domain in DNS, the first to be tried first. */
  publish(domain: string, ...ports: readonly number[]): void {
    const name = `_sips._tcp.${domain}`;
    this.dns.remove(name);
    for (const [priority, port] of ports.entries()) {
      this.dns.add({ name, type: 'SRV', ttl: 0, data: { priority, weight: 0, port, target: '127.0.0.1' } });
    }
  }

  /** A TCP server that does with connections what the test says. */
  async server(connected: (socket: Socket) => void): Promise<number> {
    const server = createServer(connected);
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const bound = server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : 0;
  }

  /** A port on which nobody listens. */
  async deadPort(): Promise<number> {
    const port = await this.server(() => undefined);
    const server = this.#servers.pop();
    await new Promise((resolve) => server?.close(resolve));
    return port;
  }

  async close(): Promise<void> {
    await Promise.all(this.#stacks.map((stack) => stack.close()));
    await Promise.all(this.#peers.map((peer) => peer.close()));
    for (const server of this.#servers) server.close();
    this.#resolver.close();
    await this.dns.close();
  }
}

/** A partner's trunk without pings. */
export function partnerTrunk(domain: string, localDomain: string, more: Partial<TrunkOptions> = {}): TrunkOptions {
  return { id: domain, kind: 'partner', domain, domains: [], tls: true, localDomain, options: { pingMs: 0 }, ...more };
}
