import { randomBytes } from 'node:crypto';
import { fingerprint } from '../../../pki/verify.ts';
import { endpointText } from '../../../policies/address.ts';
import { asFault, Fault } from '../../../policies/fault.ts';
import type { Journal } from '../../bridge/journal.ts';
import type { Evidence } from '../../bridge/ports.ts';
import type { Endpoint } from '../../dns/locate.ts';
import { type DialbackOutcome, dialbackEvidence } from '../../xmpp/evidence/dialback.ts';
import type { OutgoingStream } from '../../xmpp/outgoing.ts';
import { type Observation, ok, warning } from '../observation.ts';
import { timeLimit } from '../time-limit.ts';
import { describeChain } from './certificate-sight.ts';
import type { ProbeContext } from './probe-context.ts';
import { believeAnyone } from './probe-host.ts';
import { ProbeStream } from './probe-stream.ts';
import { remedyFor } from './remedies.ts';

export interface ServerSight {
  /** What its certificate proves, and what asking it by dialback would. */
  readonly evidence: readonly Evidence[];
  readonly observations: readonly Observation[];
}

export interface Onlooker {
  readonly probe: ProbeContext;
  readonly home: string;
  readonly partner: string;
  /** Fingerprints of the certificates that were described already. */
  readonly described: Set<string>;
  readonly signal: AbortSignal;
}

const silent: Journal = { note: () => undefined, refuse: () => undefined };

/**
 * What one server of a partner shows to whoever opens a stream: TLS, its certificate, and whether it answers for
 * dialback keys. Rejects with the reason of the signal only.
 */
export async function lookAtServer(endpoint: Endpoint, by: Onlooker): Promise<ServerSight> {
  const { home, partner, probe } = by;
  const server = endpointText(endpoint);
  using limit = timeLimit(probe.options.connectTimeoutMs, by.signal);
  const { signal } = limit;
  let opened: ProbeStream | undefined;
  let refusal: Fault | undefined;
  try {
    const target = { endpoint, home, partner, purpose: 'verify' } as const;
    opened = await ProbeStream.connect(target, probe, { trust: believeAnyone, journal: silent, signal });
    await opened.stream.negotiate(signal);
  } catch (thrown) {
    by.signal.throwIfAborted();
    refusal = asFault(thrown);
  }
  try {
    return await described(server, opened?.stream, refusal, by);
  } finally {
    await opened?.close(signal);
  }
}

async function described(
  server: string,
  stream: OutgoingStream | undefined,
  refusal: Fault | undefined,
  by: Onlooker,
): Promise<ServerSight> {
  // Who refuses us behind the handshake has shown its certificate in it.
  if (stream === undefined || (refusal !== undefined && stream.proven.tls === undefined)) {
    const { code, message } = refusal ?? new Fault('remote-unreachable');
    return {
      evidence: [],
      observations: [warning('connection', `${server}: ${message}`, { reason: code, remedy: remedyFor(code) })],
    };
  }
  const certificate = stream.proven.certificateFor(by.partner);
  const dialback = refusal === undefined ? [await askForKey(stream, by.home, by.probe.options.authTimeoutMs)] : [];
  const evidence = [certificate, ...dialback];
  return {
    evidence,
    observations: [
      ok('tls', `${server} (${stream.address}) speaks ${protocolOf(stream)}`),
      ...describeOnce(stream, by),
      ...evidence.map((one) => observeEvidence(server, one, certificate.holds)),
      ...(refusal === undefined ? [] : [refused(server, refusal)]),
    ],
  };
}

function refused(server: string, { code, message }: Fault): Observation {
  return warning('stream', `${server} refuses our stream: ${message}`, {
    reason: code,
    remedy: 'ask the partner to take us up too, and to trust our certificate’s authority or to allow dialback',
  });
}

/**
 * Asks about a key that was made up: a server that knows dialback for this domain disowns it (XEP-0220 §2.3.2), and that
 * is what proves a domain when the key is real.
 */
async function askForKey(stream: OutgoingStream, home: string, limitMs: number): Promise<Evidence> {
  const [streamId, key] = [16, 32].map((bytes) => randomBytes(bytes).toString('hex'));
  const outcome = await stream.verify(home, streamId ?? '', key ?? '', limitMs);
  const { partner } = stream;
  if (outcome === 'invalid') return dialbackEvidence(partner, 'valid', 'it answers for its dialback keys');
  if (outcome === 'valid') return dialbackEvidence(partner, 'invalid', 'it owns a dialback key that it never made');
  return dialbackEvidence(partner, outcome, silence(outcome));
}

function silence(outcome: DialbackOutcome): string {
  return outcome === 'remote-not-found' ? 'it does not serve this domain' : 'it does not answer for dialback keys';
}

/** Where a certificate proves the domain, nobody needs anything else to. */
function observeEvidence(server: string, { proof, holds, reason, detail }: Evidence, certified: boolean): Observation {
  if (holds && proof === 'certificate') return ok('proof', `${server}: its certificate proves the domain`);
  if (holds || certified) return ok('proof', `${server}: ${detail}`);
  return warning('proof', `${server}: by ${proof} it proves nothing: ${detail}`, { reason, remedy: remedyFor(reason) });
}

function protocolOf({ proven: { tls } }: OutgoingStream): string {
  return tls === undefined ? 'no TLS' : `${tls.version} (${tls.cipher})`;
}

/** Servers of one partner often share a certificate. */
function describeOnce({ proven }: OutgoingStream, { described, probe }: Onlooker): Observation[] {
  const chain = proven.tls?.chain ?? [];
  const [leaf] = chain;
  if (leaf === undefined) return [];
  const name = fingerprint(leaf);
  if (described.has(name)) return [ok('tls', 'its certificate is the same')];
  described.add(name);
  return describeChain(chain, { anchors: probe.anchors, now: new Date(), via: 'xmpp' });
}
