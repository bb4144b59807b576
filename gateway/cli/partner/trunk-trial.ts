import { endpointText } from '../../../policies/address.ts';
import { asFault, Fault } from '../../../policies/fault.ts';
import { suffices, type TrustDemand } from '../../../policies/trust.ts';
import type { Reply } from '../../sip/port.ts';
import type { Flow } from '../../sip/transport/flow.ts';
import type { Target } from '../../sip/trunk/locate.ts';
import { type Observation, ok, warning } from '../observation.ts';
import { timeLimit } from '../time-limit.ts';
import { remedyFor } from './remedies.ts';
import { readCertificate, type TrunkOnlooker } from './trunk-sight.ts';

export interface TrunkTrial extends TrunkOnlooker {
  /** What the partner's policy demands. */
  readonly trust: TrustDemand;
  readonly say: (...observations: readonly Observation[]) => void;
}

/** By these a server says that it cannot serve now: the gateway would go to the next one. */
const NOT_SERVING: ReadonlySet<number> = new Set([408, 503]);

/**
 * Connects to one server, judges its certificate as the gateway does before it sends anything, asks OPTIONS and closes.
 * Resolves with why it cannot carry traffic, undefined where it can. Rejects with the reason of the signal only.
 */
export async function tryTarget(target: Target, trial: TrunkTrial): Promise<Fault | undefined> {
  const { sip, trunk, say } = trial;
  const server = endpointText(target);
  using limit = timeLimit(trial.limitMs, trial.signal);
  let flow: Flow | undefined;
  try {
    flow = await sip.connect(target, limit.signal);
    say(ok('connection', `${server} accepts, over TLS`));
    const { evidence, observations } = readCertificate(flow, trial);
    say(...observations);
    if (!evidence.holds) throw new Fault(evidence.reason, `it does not prove ${trunk.domain}: ${evidence.detail}`);
    if (!suffices(trial.trust, new Set([evidence.proof]))) throw mistrusted(trial.trust);
    say(ok('proof', `${server} is proven by its certificate (${evidence.detail}), which the policy takes`));
    const asked = performance.now();
    const reply = await sip.options(flow, limit.signal);
    if (NOT_SERVING.has(reply.status)) throw new Fault('remote-unreachable', `it answers to OPTIONS: ${said(reply)}`);
    say(answered(server, reply, performance.now() - asked));
    return undefined;
  } catch (thrown) {
    trial.signal.throwIfAborted();
    const { code, message, place, remedy } = asFault(thrown);
    const told = remedy ?? (flow !== undefined && ENDED.has(code) ? REFUSED_US : remedyFor(code, 'sip'));
    return new Fault(code, `${server}: ${message}`, { place, remedy: told });
  } finally {
    flow?.close();
  }
}

/** Over TLS 1.3 a peer that does not take our certificate says so behind the handshake only. */
const ENDED: ReadonlySet<string> = new Set(['remote-unreachable', 'stream-timeout']);
const REFUSED_US =
  'ask the partner to take us up, and to trust our certificate’s authority (hand it over); its log says what it missed';

function mistrusted({ rule: place }: TrustDemand): Fault {
  const remedy = 'write `trust: { accept: [certificate] }`: a trunk has no other proof';
  return new Fault('trust-insufficient', 'its certificate holds, and the policy does not take that as proof.', {
    place,
    remedy,
  });
}

/** Whatever it answers, it lives; some answers are worth a word. */
function answered(server: string, reply: Reply, ms: number): Observation {
  const message = `${server} answered to OPTIONS with ${said(reply)} in ${took(ms)}`;
  const remedy = remedies.get(reply.status);
  return remedy === undefined ? ok('ping', message) : warning('ping', message, { reason: 'sip-rejected', remedy });
}

const remedies: ReadonlyMap<number, string> = new Map([
  [401, 'it lives, and wants a password: write `trunk.credentials`, or correct them'],
  [403, 'it lives, and does not want us as yet: ask the partner to take us up'],
  [407, 'it lives, and wants a password: write `trunk.credentials`, or correct them'],
]);

function said({ status, reason }: Reply): string {
  return `${status} ${reason}`.trim();
}

function took(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
