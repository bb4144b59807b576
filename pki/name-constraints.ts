import { foldDomain } from '../policies/address.ts';
import type { Certificate } from './certificate.ts';
import { childrenOf, type Der, Fields, readDer, tag } from './der.ts';
import { identitiesIn } from './identity.ts';
import { type CanonicalName, canonicalName } from './names.ts';
import { generalName } from './oids.ts';

const DNS = tag.context(generalName.dns);
const EMAIL = tag.context(generalName.email);
const DIRECTORY = tag.contextConstructed(generalName.directory);
const PROCESSED: ReadonlySet<number> = new Set([DNS, DIRECTORY]);
const SIP_HOST = /^sips?:(?:[^@]*@)?([^:;?]+)/i;
/** emailAddress of PKCS #9 as an attribute of a subject: a name of the form rfc822Name (RFC 5280 §4.2.1.10). */
const EMAIL_ATTRIBUTE = Buffer.from('06092a864886f70d010901', 'hex');

/**
 * The constraint of `authority` that a certificate further down the path breaks, in words; undefined where it keeps
 * them all (RFC 5280 §4.2.1.10). Throws `certificate-malformed`.
 *
 * dNSName and directoryName subtrees are processed; a constraint on another form of name that the
 * certificate bears cannot be, and breaks it, as the clause demands. Stricter than the clause: an authority held to
 * DNS subtrees is held to them in every name that stands for a domain (SRVName, XmppAddr, sip: URI), else it could
 * speak for any XMPP domain through the form its constraints forgot.
 */
export function brokenConstraint(authority: Certificate, below: Certificate): string | undefined {
  if (authority.nameConstraints === undefined) return undefined;
  const fields = new Fields(readDer(authority.nameConstraints, tag.sequence));
  const permitted = subtrees(fields.takeIf(tag.contextConstructed(0)));
  const excluded = subtrees(fields.takeIf(tag.contextConstructed(1)));
  fields.end();

  const domains = domainsOf(below);
  const inside = of(permitted, DNS);
  const stray =
    inside.length === 0 ? undefined : domains.find((domain) => !inside.some((base) => within(domain, base)));
  if (stray !== undefined) return `${authority.label} may not issue for ${stray}.`;
  const outside = of(excluded, DNS);
  const banned = domains.find((domain) => outside.some((base) => overlaps(domain, base)));
  if (banned !== undefined) return `${authority.label} is forbidden to issue for ${banned}.`;

  const subjects = directoryNames(below);
  const homes = permitted.filter((base) => base.tag === DIRECTORY);
  const bans = excluded.filter((base) => base.tag === DIRECTORY);
  const astray = homes.length > 0 && !subjects.every((name) => homes.some((base) => isBelow(name, base)));
  if (astray || subjects.some((name) => bans.some((base) => isBelow(name, base)))) {
    return `${authority.label} may not issue for the subject of ${below.label}.`;
  }
  const unprocessed = [...permitted, ...excluded].some(
    (base) => !PROCESSED.has(base.tag) && bearsForm(below, base.tag),
  );
  return unprocessed ? `${authority.label} constrains names of a form that is not supported.` : undefined;
}

/** Bases of GeneralSubtrees. `minimum` and `maximum` must be left at their defaults (RFC 5280 §4.2.1.10). */
function subtrees(list: Der | undefined): Der[] {
  return (list === undefined ? [] : childrenOf(list)).map((subtree) => {
    const fields = new Fields(subtree);
    const base = fields.take();
    fields.end();
    return base;
  });
}

const of = (bases: readonly Der[], form: number): string[] =>
  bases.filter((base) => base.tag === form).map((base) => base.content.toString('latin1').toLowerCase());

/** Every domain that the certificate speaks for, folded as matching folds it; a wildcard keeps its `*`. */
function domainsOf(certificate: Certificate): string[] {
  const { dnsNames, srvNames, xmppAddresses, uris } = identitiesIn(certificate);
  return [
    ...dnsNames,
    ...srvNames.map((name) => name.slice(name.indexOf('.') + 1)),
    ...xmppAddresses.map((address) => address.replace(/\/.*/s, '').replace(/^.*@/s, '')),
    ...uris.flatMap((uri) => SIP_HOST.exec(uri)?.[1] ?? []),
  ].map((domain) => foldDomain(domain) ?? domain.toLowerCase());
}

/** Whether the domain is the base or ends in it at a label; a leading dot leaves out the base itself. */
function within(domain: string, base: string): boolean {
  if (base === '') return true;
  return base.startsWith('.') ? domain.endsWith(base) : domain === base || domain.endsWith(`.${base}`);
}

/** {@link within}, or a wildcard that would match something within. */
function overlaps(domain: string, base: string): boolean {
  const bare = base.replace(/^\./, '');
  return within(domain, base) || (domain.startsWith('*.') && bare.slice(bare.indexOf('.') + 1) === domain.slice(2));
}

/** The subject where it is not empty, and directoryNames among the alternative names. */
function directoryNames({ subject, altNames }: Certificate): CanonicalName[] {
  const others = altNames.filter((name) => name.tag === DIRECTORY).map((name) => canonicalName(name.content));
  return [canonicalName(subject), ...others].filter((name) => name.length > 0);
}

/** Whether the name begins with all of the base. */
function isBelow(name: CanonicalName, base: Der): boolean {
  return canonicalName(base.content).every((relative, index) => relative === name[index]);
}

function bearsForm(certificate: Certificate, form: number): boolean {
  if (form === EMAIL && certificate.subject.includes(EMAIL_ATTRIBUTE)) return true;
  return certificate.altNames.some((name) => name.tag === form);
}
