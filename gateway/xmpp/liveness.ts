import { randomBytes } from 'node:crypto';
import { wireDomain } from '../../policies/address.ts';
import { Fault } from '../../policies/fault.ts';
import type { XmppEdgeOptions } from './edge-context.ts';
import type { IncomingStream } from './incoming.ts';
import { ns } from './namespaces.ts';
import type { OutgoingStream } from './outgoing.ts';
import type { ScannedElement } from './start-tag.ts';
import { StreamFault } from './stream-error.ts';
import { escapeAttribute } from './xml.ts';

/** How long a probed peer has at most to show a sign of life, ms; no longer than the silence before the probe. */
const ANSWER_MS = 60_000;
const ID = 'drawbridge-ping-';

/**
 * Watches over streams that stand: closes the idle, probes the silent, drops the dead, and ends those whose proof has
 * run out (RFC 6120 §4.6, §13.7.2.3).
 */
export class Liveness {
  readonly #options: XmppEdgeOptions;
  /** Streams whose XEP-0199 ping is under way, by its id. */
  readonly #probes = new Map<string, OutgoingStream>();
  readonly #probed = new Map<OutgoingStream, number>();

  constructor(options: XmppEdgeOptions) {
    this.#options = options;
  }

  /** Takes an answer to a probe, wherever it arrived; true where it was one. */
  pong({ id, type }: ScannedElement): boolean {
    if (!id.startsWith(ID) || (type !== 'result' && type !== 'error')) return false;
    const stream = this.#probes.get(id);
    if (stream !== undefined) {
      this.#probes.delete(id);
      this.#probed.delete(stream);
      // It came on another stream, and is a sign of life of this one.
      stream.xml.lastRead = Date.now();
    }
    return true;
  }

  incoming(stream: IncomingStream, now: number): void {
    if (stream.proven.size === 0) return;
    if (stream.proven.until < now) stream.close(new StreamFault('reset', 'certificate-expired'));
    else if (now - stream.lastStanza > this.#options.idleMs)
      stream.close(new Fault('stream-idle', 'Nothing to carry.'));
  }

  outgoing(stream: OutgoingStream, now: number): void {
    if (!stream.open) return;
    const probedAt = this.#probed.get(stream);
    if (stream.proven.until < now) stream.close(new StreamFault('reset', 'certificate-expired'));
    else if (now - stream.lastStanza > this.#options.idleMs)
      stream.close(new Fault('stream-idle', 'Nothing to carry.'));
    else if (probedAt === undefined) {
      if (now - stream.xml.lastRead > this.#options.keepAliveMs) this.#probe(stream, now);
    } else if (stream.xml.lastRead >= probedAt) this.#probed.delete(stream);
    else if (now - probedAt > Math.min(ANSWER_MS, this.#options.keepAliveMs))
      stream.xml.destroy(new Fault('stream-idle', 'The peer answers no probe.'));
  }

  forget(stream: OutgoingStream): void {
    this.#probed.delete(stream);
    for (const [id, probed] of this.#probes) if (probed === stream) this.#probes.delete(id);
  }

  #probe(stream: OutgoingStream, now: number): void {
    this.#probed.set(stream, now);
    if (stream.probe()) return;
    // XEP-0199, domain to domain; on a one-way stream the answer comes on the peer's own.
    const id = `${ID}${randomBytes(12).toString('hex')}`;
    this.#probes.set(id, stream);
    const [from, to] = [stream.home, stream.partner].map((domain) => escapeAttribute(wireDomain(domain)));
    stream.xml.send(`<iq type='get' id='${id}' from='${from}' to='${to}'><ping xmlns='${ns.ping}'/></iq>`);
  }
}
