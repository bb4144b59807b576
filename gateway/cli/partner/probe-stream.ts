import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { wireDomain } from '../../../policies/address.ts';
import { Fault } from '../../../policies/fault.ts';
import type { Journal } from '../../bridge/journal.ts';
import type { EdgeHost } from '../../bridge/ports.ts';
import { compose } from '../../bridge/reply.ts';
import { connectEndpoint } from '../../dns/connect.ts';
import type { Endpoint } from '../../dns/locate.ts';
import { Fences } from '../../xmpp/fence.ts';
import { ns } from '../../xmpp/namespaces.ts';
import { OutgoingStream, type Target } from '../../xmpp/outgoing.ts';
import { SessionCache } from '../../xmpp/session-cache.ts';
import type { NotedKeys } from './noted-keys.ts';
import type { ProbeContext } from './probe-context.ts';
import { probeHost } from './probe-host.ts';

/** The prefix of the gateway's own pings: a running gateway swallows the answer, which comes to it and not to us. */
const PING_ID = 'drawbridge-ping-';
/** How long a peer that says it acknowledges may take for it, ms. */
const ACKNOWLEDGED_MS = 5_000;

export interface ProbeTarget extends Pick<Target, 'home' | 'partner' | 'purpose'> {
  readonly endpoint: Endpoint;
}

export interface ProbeManner {
  /** What suffices to prove the partner. */
  readonly trust: EdgeHost['trust'];
  readonly journal: Journal;
  readonly signal: AbortSignal;
}

/**
 * One stream to one server of a partner, opened as the gateway opens its own. Never bidirectional (XEP-0288): what the
 * partner's users send must go to the gateway, not to a probe that is about to end.
 */
export class ProbeStream {
  readonly stream: OutgoingStream;
  readonly keys: NotedKeys;
  readonly #ended: Promise<Fault | undefined>;
  readonly #taken: Promise<void>;

  /** Connects, without a word yet. Rejects with a {@link Fault}, or the reason of the signal. */
  static async connect(target: ProbeTarget, probe: ProbeContext, manner: ProbeManner): Promise<ProbeStream> {
    const { trust, journal, signal } = manner;
    const taken = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<Fault | undefined>();
    const context = probe.edge(probeHost(probe.home, trust, taken.resolve), journal);
    const { connectTimeoutMs: timeoutMs } = context.options;
    const { endpoint, home, partner, purpose } = target;
    const { socket } = await connectEndpoint(probe.resolver, endpoint, { signal, timeoutMs });
    const stream = new OutgoingStream(socket, { home, partner, purpose, tls: endpoint.tls, bidi: false }, context, {
      sessions: new SessionCache(),
      fences: new Fences(() => undefined),
      pong: () => false,
      room: () => undefined,
      closed: (_stream, fault) => ended.resolve(fault),
    });
    return new ProbeStream(stream, context.keys, { ended: ended.promise, taken: taken.promise });
  }

  private constructor(
    stream: OutgoingStream,
    keys: NotedKeys,
    events: { ended: Promise<Fault | undefined>; taken: Promise<void> },
  ) {
    this.stream = stream;
    this.keys = keys;
    this.#ended = events.ended;
    this.#taken = events.taken;
  }

  /**
   * Sends a ping from domain to domain (XEP-0199) and resolves with the ms until the peer has taken it, which its
   * acknowledgement (XEP-0198) says: the answer itself goes to the running gateway. Undefined where the peer
   * acknowledges nothing. Rejects with a {@link Fault}.
   */
  async ping(): Promise<number | undefined> {
    const { home, partner, features } = this.stream;
    if (!features.sm) return undefined;
    const id = `${PING_ID}${randomBytes(12).toString('hex')}`;
    const addresses = { from: wireDomain(home), to: wireDomain(partner) };
    const ping = compose('iq', { ...addresses, type: 'get', id }, `<ping xmlns="${ns.ping}"/>`);
    const patience = new AbortController();
    const asked = performance.now();
    this.stream.send({ ...ping, kept: { queue: 0, ticket: 0, since: Date.now() } });
    try {
      return await Promise.race([
        this.#taken.then(() => performance.now() - asked),
        this.#ended.then((fault) => {
          throw fault ?? new Fault('stream-error', 'The peer closed the stream.');
        }),
        setTimeout(ACKNOWLEDGED_MS, undefined, { signal: patience.signal }),
      ]);
    } finally {
      patience.abort();
    }
  }

  /** Closes gracefully; resolves, when the stream is gone, with the ms until the peer answered the closing tag. */
  async close(signal: AbortSignal): Promise<number | undefined> {
    const drop = (): void => this.stream.xml.destroy(new Fault('shutting-down'));
    const asked = performance.now();
    signal.addEventListener('abort', drop, { once: true });
    this.stream.close();
    if (signal.aborted) drop();
    await this.#ended;
    signal.removeEventListener('abort', drop);
    return this.stream.xml.readToEnd ? performance.now() - asked : undefined;
  }
}
