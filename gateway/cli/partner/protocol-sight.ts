import type { Protocol } from '../../bridge/ports.ts';
import type { Resolver } from '../../dns/resolver.ts';
import { ProtocolChoice } from '../../protocol-choice.ts';
import { FEDERATION } from './sip-domain-sight.ts';

/**
 * The protocol by which the gateway would reach a domain whose policy leaves that to DNS (RFC 7247 §5). Rejects with the
 * reason of the signal only.
 */
export async function protocolOf(
  resolver: Resolver,
  domain: string,
  { otherwise, signal }: { readonly otherwise: Protocol; readonly signal: AbortSignal },
): Promise<Protocol> {
  const lookups = {
    srv: (name: string) => resolver.srv(name, { signal }),
    naptr: (name: string) => resolver.naptr(name, { signal }),
  };
  const found = await new ProtocolChoice({ resolver: lookups, now: Date.now }).find(domain, otherwise);
  signal.throwIfAborted();
  return found;
}

/** The protocol of a domain that nothing is known of: where DNS names no other, that of SIP federation counts as SIP. */
export async function guessProtocol(resolver: Resolver, domain: string, signal: AbortSignal): Promise<Protocol> {
  const federation = await resolver.srv(`${FEDERATION}.${domain}`, { signal }).catch(() => undefined);
  signal.throwIfAborted();
  const offered = federation?.records.some(({ target, port }) => target !== '.' && port > 0) === true;
  return protocolOf(resolver, domain, { otherwise: offered ? 'sip' : 'xmpp', signal });
}
