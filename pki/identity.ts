import { foldDomain } from '../policies/address.ts';
import { Certificate } from './certificate.ts';
import { type Der, Fields, readOid, tag } from './der.ts';
import { generalName, oids } from './oids.ts';

/** The names of subjectAltName that federation knows, as written in the certificate. */
export interface Identities {
  readonly dnsNames: readonly string[];
  /** `_service.domain`, RFC 4985. */
  readonly srvNames: readonly string[];
  /** RFC 6120 §13.7.1.4. */
  readonly xmppAddresses: readonly string[];
  readonly uris: readonly string[];
}

const PRINTABLE = /^[\x21-\x7e]+$/;
const SERVICE = '_xmpp-server.';
const ADDRESS_OF_A_HOST = /^\[|^\d{1,3}(?:\.\d{1,3}){3}$/;

/**
 * Reads the names of a certificate, given as DER. Names with characters their type does not allow (a NUL, say) are
 * left out. Throws `certificate-malformed`.
 */
export function identitiesOf(der: Uint8Array): Identities {
  return identitiesIn(new Certificate(der));
}

/** {@link identitiesOf} for a certificate that is already read. */
export function identitiesIn(certificate: Certificate): Identities {
  const dnsNames: string[] = [];
  const srvNames: string[] = [];
  const xmppAddresses: string[] = [];
  const uris: string[] = [];
  for (const name of certificate.altNames) {
    if (name.tag === tag.context(generalName.dns)) dnsNames.push(...ascii(name.content));
    else if (name.tag === tag.context(generalName.uri)) uris.push(...ascii(name.content));
    else if (name.tag === tag.contextConstructed(generalName.other)) {
      const { type, value } = readOtherName(name);
      if (type === oids.dnsSrv && value.tag === tag.ia5String) srvNames.push(...ascii(value.content));
      if (type === oids.xmppAddr && value.tag === tag.utf8String) xmppAddresses.push(...utf8(value.content));
    }
  }
  return { dnsNames, srvNames, xmppAddresses, uris };
}

/**
 * Whether a certificate with these names speaks for an XMPP server of `domain` (any spelling): RFC 9525 §6 (before it
 * RFC 6125) with the identifiers of RFC 6120 §13.7.1.2: DNS-ID, SRV-ID of `_xmpp-server`, XmppAddr without local and
 * resource. The common name counts for nothing (RFC 9525 §2).
 */
export function namesXmppDomain(identities: Identities, domain: string): boolean {
  const reference = foldDomain(domain);
  if (reference === undefined || ADDRESS_OF_A_HOST.test(reference)) return false;
  return (
    identities.dnsNames.some((name) => matchesDomain(name, reference)) ||
    identities.srvNames.some(
      (name) => name.toLowerCase().startsWith(SERVICE) && matchesDomain(name.slice(SERVICE.length), reference),
    ) ||
    identities.xmppAddresses.some((address) => !/[@/]/.test(address) && foldDomain(address) === reference)
  );
}

/**
 * RFC 9525 §6.3: A-labels compare as ASCII without case; `*` stands only as the whole left-most label and for exactly
 * one. A wildcard right below a top-level domain would speak for whole registries and matches nothing.
 */
function matchesDomain(presented: string, reference: string): boolean {
  const name = presented.toLowerCase();
  if (!name.startsWith('*.')) return name === reference;
  const parent = name.slice(2);
  return parent.includes('.') && reference.slice(reference.indexOf('.') + 1) === parent && reference.includes('.');
}

function readOtherName(name: Der): { type: string; value: Der } {
  const fields = new Fields(name);
  const type = readOid(fields.take());
  const explicit = new Fields(fields.take(tag.contextConstructed(0)));
  fields.end();
  const value = explicit.take();
  explicit.end();
  return { type, value };
}

function ascii(content: Buffer): string[] {
  const text = content.toString('latin1');
  return PRINTABLE.test(text) ? [text] : [];
}

function utf8(content: Buffer): string[] {
  try {
    return [new TextDecoder('utf-8', { fatal: true }).decode(content)];
  } catch {
    return [];
  }
}
