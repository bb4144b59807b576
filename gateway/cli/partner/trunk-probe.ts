import { isIPv6 } from 'node:net';
import type { SecureContext } from 'node:tls';
import { identitiesOf } from '../../../pki/identity.ts';
import { sipIdentities } from '../../../pki/sip-identity.ts';
import { Fault } from '../../../policies/fault.ts';
import { DigestClient } from '../../sip/dialog/digest.ts';
import type { Outbound } from '../../sip/dialog/outbound.ts';
import { systemRandom } from '../../sip/dialog/random.ts';
import { UserAgent } from '../../sip/dialog/user-agent.ts';
import type { Answer, Reply, SipHandlers } from '../../sip/port.ts';
import { systemClock } from '../../sip/transaction/clock.ts';
import { Transactions } from '../../sip/transaction/transactions.ts';
import type { Flow } from '../../sip/transport/flow.ts';
import { Flows } from '../../sip/transport/flows.ts';
import type { Target } from '../../sip/trunk/locate.ts';
import type { TrunkOptions } from '../../sip/trunk/trunk-options.ts';

export interface TrunkProbeOptions {
  readonly trunk: TrunkOptions;
  /** Our certificate for a domain of ours; undefined where there is none at all. */
  readonly secureContextFor: (domain: string) => SecureContext | undefined;
  /** How long connecting to one server may take, ms. */
  readonly connectMs: number;
}

/** What a probe asks at a time: one OPTIONS for each server, and its repetition with a password. */
const LIMITS = { transactions: 100, perFlow: 10, perPeer: 10 };
/** What a peer is told that asks something of a probe: a running gateway is there for it. */
const NOT_HERE: Answer = { status: 503, headers: [['Retry-After', '1']] };

/**
 * A trunk as the gateway would open it, and no trunk: connections to one server each, on which OPTIONS are asked. It listens
 * nowhere and takes nothing, and its connections stand for nobody but themselves.
 */
export class TrunkProbe {
  readonly #trunk: TrunkOptions;
  readonly #flows: Flows;
  readonly #transactions: Transactions;
  readonly #userAgent: UserAgent;
  readonly #endings = new WeakMap<Flow, string>();

  /** It holds timers from now on: close it in any case. */
  constructor({ trunk, secureContextFor, connectMs }: TrunkProbeOptions) {
    this.#trunk = trunk;
    const random = systemRandom;
    this.#userAgent = new UserAgent({
      clock: systemClock,
      random,
      handlers: nobody,
      defect: () => undefined,
      trunkOf: () => NOT_HERE,
    });
    this.#transactions = new Transactions({
      user: this.#userAgent,
      clock: systemClock,
      random: () => random.token(),
      // Not the gateway's: by `;alias` (RFC 5923) a partner would take this connection for one that leads to it.
      sentBy: ({ local }) => `${isIPv6(local.host) ? `[${local.host}]` : local.host}:${local.port}`,
      limits: LIMITS,
    });
    this.#flows = new Flows({
      user: {
        message: (flow, message) => this.#transactions.message(flow, message),
        closed: (flow, why) => {
          this.#endings.set(flow, why);
          this.#transactions.closed(flow);
        },
      },
      secureContextFor,
      identitiesOf: (leaf) => sipIdentities(identitiesOf(leaf)),
      // What it shows is looked at by whoever asked, before anything is sent.
      judge: () => undefined,
      limits: { connectMs },
    });
  }

  /** Connects over TLS, and believes whoever answers. Rejects with a Fault, or the reason of the signal. */
  connect({ host, port }: Target, signal: AbortSignal): Promise<Flow> {
    const { tls, domain, localDomain } = this.#trunk;
    return this.#flows.connect({ host, port, tls, name: domain, localName: localDomain }, signal);
  }

  /**
   * Asks for what the other side can do (OPTIONS, RFC 3261 §11), as a trunk does to know that it lives. Rejects with a Fault
   * where no answer comes, or the reason of the signal.
   */
  async options(flow: Flow, signal: AbortSignal): Promise<Reply> {
    const { domain, localDomain } = this.#trunk;
    const [ours, theirs] = [`sip:${localDomain}`, `sip:${domain}`];
    const reply = await this.#userAgent.send(this.#over(flow), {
      method: 'OPTIONS',
      target: theirs,
      from: { uri: ours },
      to: { uri: theirs },
      headers: [['Accept', 'application/sdp']],
      signal,
    });
    signal.throwIfAborted();
    if (reply.origin === 'peer') return reply;
    if (reply.origin === 'timeout') throw new Fault('stream-timeout', 'It accepts, and does not answer to OPTIONS.');
    const why = this.#endings.get(flow) ?? reply.reason;
    throw new Fault('remote-unreachable', `It ended the connection when it was sent OPTIONS: ${why}`);
  }

  /** Closes in good order. Idempotent. */
  async close(): Promise<void> {
    this.#userAgent.close();
    this.#transactions.close();
    await this.#flows.close();
  }

  #over(flow: Flow): Outbound {
    const { credentials, localDomain } = this.#trunk;
    const digest = new DigestClient(() => systemRandom.token());
    return {
      send: (request, { user }) => {
        const transaction = this.#transactions.request(flow, request, user);
        return { flow, cancel: (headers) => transaction.cancel(headers) };
      },
      ack: () => undefined,
      // Where the gateway is found, not where this probe is.
      contact: () => `sip:${localDomain};transport=tls`,
      authorize: async (request, reply) => credentials && (await digest.authorize(request, reply, credentials)),
    };
  }
}

/** Whatever comes is refused before anybody is asked. */
function nobody(): SipHandlers {
  throw new Fault('internal', 'A probe takes no request.');
}
