import { isIP } from 'node:net';
import { foldDomain } from '../policies/address.ts';
import type { Identities } from './identity.ts';

export interface SipIdentityOptions {
  /** Lets `*.domain` stand for one label; RFC 5922 §7.2 forbids it, so a trunk must ask for it. Default false. */
  readonly wildcards?: boolean | undefined;
}

/**
 * The SIP domains that a certificate with these names speaks for, folded, in their order: RFC 5922 §7.1. A SAN URI
 * `sip:domain` without user part counts first; DNS names only where there is no such URI. The common name counts for
 * nothing. Wildcards (`*.domain`, as written there) are left out unless asked for.
 */
export function sipIdentities(identities: Identities, options: SipIdentityOptions = {}): string[] {
  const uris = identities.uris.flatMap(domainOfUri);
  if (uris.length > 0) return [...new Set(uris)];
  return [...new Set(identities.dnsNames.flatMap((name) => domainOfName(name, options.wildcards ?? false)))];
}

/**
 * Whether a certificate with these names speaks for the SIP domain `domain` (any spelling): whole names, without case
 * (RFC 5922 §7.2).
 */
export function namesSipDomain(identities: Identities, domain: string, options: SipIdentityOptions = {}): boolean {
  const reference = foldDomain(domain);
  if (reference === undefined || isAddress(reference)) return false;
  const parent = reference.slice(reference.indexOf('.') + 1);
  // A wildcard right below a top-level domain would speak for whole registries.
  const wildcard = parent.includes('.') && parent !== reference ? `*.${parent}` : undefined;
  return sipIdentities(identities, options).some((name) => name === reference || name === wildcard);
}

function domainOfUri(uri: string): string[] {
  const rest = /^sip:(.*)$/i.exec(uri)?.[1];
  if (rest === undefined || rest.includes('@')) return [];
  const [host = ''] = rest.split(/[:;?]/, 1);
  return domainOfName(host, false);
}

function domainOfName(name: string, wildcards: boolean): string[] {
  const wild = wildcards && name.startsWith('*.');
  const domain = foldDomain(wild ? name.slice(2) : name);
  if (domain === undefined || isAddress(domain) || name.endsWith('.') || name.includes('*', wild ? 1 : 0)) return [];
  return [wild ? `*.${domain}` : domain];
}

function isAddress(folded: string): boolean {
  return folded.startsWith('[') || isIP(folded) !== 0;
}
