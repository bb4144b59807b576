import { endpointText } from '../../../policies/address.ts';
import { asFault, Fault } from '../../../policies/fault.ts';
import type { Journal } from '../../bridge/journal.ts';
import type { EdgeHost } from '../../bridge/ports.ts';
import type { Endpoint } from '../../dns/locate.ts';
import type { OutgoingStream } from '../../xmpp/outgoing.ts';
import { PeerStreamFault } from '../../xmpp/stream-error.ts';
import { type Observation, ok, warning } from '../observation.ts';
import { timeLimit } from '../time-limit.ts';
import type { ProbeContext } from './probe-context.ts';
import { ProbeStream } from './probe-stream.ts';
import { remedyFor } from './remedies.ts';

export interface Trial {
  readonly probe: ProbeContext;
  readonly home: string;
  readonly domain: string;
  /** What the partner's policy says of evidence. */
  readonly trust: EdgeHost['trust'];
  readonly signal: AbortSignal;
  readonly say: (observation: Observation) => void;
}

/**
 * Opens a stream to one server, ours proven and the partner's judged as for traffic, pings on it and closes it. Resolves
 * with why it cannot carry traffic, undefined where it can. Rejects with the reason of the signal only.
 */
export async function tryServer(endpoint: Endpoint, trial: Trial): Promise<Fault | undefined> {
  const { home, domain, trust, probe, say } = trial;
  const server = endpointText(endpoint);
  const refusals: string[] = [];
  using limit = timeLimit(probe.options.connectTimeoutMs, trial.signal);
  const { signal } = limit;
  let opened: ProbeStream | undefined;
  try {
    const target = { endpoint, home, partner: domain, purpose: 'traffic' } as const;
    opened = await ProbeStream.connect(target, probe, { trust, journal: refusalsInto(refusals), signal });
    say(ok('connection', `${server} accepts (${opened.stream.address})`));
    await opened.stream.negotiate(signal);
    for (const refusal of refusals) {
      say(warning('proof', `${server}: ${refusal}`, { reason: 'trust-insufficient', remedy: HAND_OVER }));
    }
    for (const one of standing(server, opened.stream, opened.keys.shown)) say(one);
    say(await pinged(server, opened, home, signal));
    return undefined;
  } catch (thrown) {
    trial.signal.throwIfAborted();
    return explained(server, asFault(thrown), {
      refusals,
      dialback: opened?.keys.shown === true,
      shared: probe.sharesDialback,
    });
  } finally {
    await opened?.close(signal);
  }
}

/** Keeps what a stream refuses or is refused on its way; the rest of the log is not for a terminal. */
function refusalsInto(refusals: string[]): Journal {
  return {
    note: () => undefined,
    refuse: (_event, reason, { detail = reason }) => refusals.push(String(detail)),
  };
}

/** What a stream that stands was built on, both ways. */
function standing(server: string, { proven, partner }: OutgoingStream, byDialback: boolean): Observation[] {
  const { tls } = proven;
  const proofs = proven.get(partner).filter(({ holds }) => holds);
  return [
    ok('tls', `${server} speaks ${tls === undefined ? 'no TLS' : `${tls.version} (${tls.cipher})`}`),
    ok('proof', `${server} is proven by ${proofs.map(({ proof, detail }) => `${proof} (${detail})`).join(' and ')}`),
    ok('proof', `${server} takes our ${byDialback ? 'dialback key (XEP-0220)' : 'certificate (SASL EXTERNAL)'}`),
  ];
}

async function pinged(server: string, opened: ProbeStream, home: string, signal: AbortSignal): Promise<Observation> {
  const taken = await opened.ping();
  if (taken !== undefined) {
    return ok('ping', `${server} took a ping of ${home} in ${ms(taken)} (XEP-0199, acknowledged by XEP-0198)`);
  }
  const closed = await opened.close(signal);
  if (closed !== undefined) {
    return ok('ping', `${server} answered in ${ms(closed)} (the end of the stream: it acknowledges no stanza)`);
  }
  const remedy = 'the stream stood; should messages go astray, ask the partner to look at its log';
  return warning('ping', `${server} left the end of the stream unanswered`, { reason: 'stream-idle', remedy });
}

function ms(duration: number): string {
  return `${duration < 10 ? duration.toFixed(1) : Math.round(duration)} ms`;
}

interface Circumstances {
  readonly refusals: readonly string[];
  /** Whether a dialback key was shown, and whether it is one that the running gateway owns. */
  readonly dialback: boolean;
  readonly shared: boolean;
}

/** A fault of the stream with the server it is about, and what the reader can do. */
function explained(server: string, fault: Fault, { refusals, dialback, shared }: Circumstances): Fault {
  const { code, message, place } = fault;
  const strangeKey = dialback && !shared && (code === 'dialback-invalid' || code === 'dialback-unreachable');
  const remedy = strangeKey ? SHARE_SECRET : (fault.remedy ?? remedyOf(fault));
  return new Fault(code, `${server}: ${[...refusals, message].join(' ')}`, { place, remedy });
}

function remedyOf(fault: Fault): string | undefined {
  if (fault instanceof PeerStreamFault) return conditions[fault.condition] ?? ASK_LOG;
  const unproven = fault.code === 'trust-insufficient' && fault.place === undefined;
  return unproven ? PROVE_US : remedyFor(fault.code);
}

const SHARE_SECRET =
  'this probe cannot show the key of the running gateway: set `edges.xmpp.dialback.secret`, restart it and try again';
const PROVE_US =
  'ask the partner to take us up, and to trust our certificate’s authority (hand it over) or to allow dialback';
const HAND_OVER = 'hand our authority’s certificate over to the partner, should it want to trust certificates';
const ASK_LOG = 'ask the partner to look at the log of its server';

/** What a stream error of the partner's (RFC 6120 §4.9.3) mostly means here. */
const conditions: Readonly<Record<string, string>> = {
  'not-authorized': PROVE_US,
  'policy-violation': PROVE_US,
  'host-unknown': 'the server does not serve this domain: ask the partner which does',
  'host-gone': 'the server no longer serves this domain: ask the partner which does',
  'invalid-from': 'check that the home domain is written as the partner knows it',
  'remote-connection-failed': 'the partner cannot reach us to verify a key: do our DNS records lead to this gateway?',
  'unsupported-version': 'ask the partner to update its server',
};
