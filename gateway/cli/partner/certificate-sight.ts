import type { X509Certificate } from 'node:crypto';
import { Certificate } from '../../../pki/certificate.ts';
import { type Identities, identitiesIn } from '../../../pki/identity.ts';
import { oids } from '../../../pki/oids.ts';
import { sipIdentities } from '../../../pki/sip-identity.ts';
import type { TrustAnchors } from '../../../pki/trust.ts';
import { verifyChain } from '../../../pki/verify.ts';
import { asFault } from '../../../policies/fault.ts';
import type { Protocol } from '../../bridge/ports.ts';
import { type Observation, ok, warning } from '../observation.ts';
import { remedyFor } from './remedies.ts';

const DAY_MS = 86_400_000;
/** From here on an expiry is worth a word: the partner must renew before our users notice. */
const SOON_DAYS = 30;
/** Names told of a certificate. */
const NAMES = 10;

const purposeNames: ReadonlyMap<string, string> = new Map([
  [oids.serverAuth, 'servers'],
  [oids.clientAuth, 'clients'],
  [oids.sipDomain, 'SIP domains'],
  [oids.anyExtendedKeyUsage, 'anything'],
]);

export interface Reader {
  readonly anchors: TrustAnchors;
  readonly now: Date;
  /** Whose names count, and which purposes do. */
  readonly via: Protocol;
}

/** What a server shows of itself (`chain`: DER, leaf first): names, purposes, dates, and where its chain leads. */
export function describeChain(chain: readonly Buffer[], reader: Reader): Observation[] {
  const [leafDer] = chain;
  if (leafDer === undefined) return [];
  try {
    const leaf = new Certificate(leafDer);
    return [ofLeaf(leaf, reader), ofPath(chain, reader)];
  } catch (thrown) {
    const { code, message } = asFault(thrown);
    return [warning('tls', message, { reason: code, remedy: remedyFor(code, reader.via) })];
  }
}

function ofLeaf(leaf: Certificate, { now, via }: Reader): Observation {
  const names = namesFor[via](identitiesIn(leaf));
  const named = names.length === 0 ? 'no domain' : names.slice(0, NAMES).join(', ');
  const more = names.length > NAMES ? `, … (${names.length})` : '';
  const text = `certificate ${leaf.label}: names ${named}${more}; for ${purposesOf(leaf)}; ${validity(leaf, now)}`;
  const days = Math.floor((leaf.notAfter.getTime() - now.getTime()) / DAY_MS);
  if (days >= SOON_DAYS || days < 0) return ok('tls', text);
  return warning('tls', `${text}, in ${days} days`, { remedy: remedyFor('certificate-expired') });
}

const namesFor: Readonly<Record<Protocol, (identities: Identities) => string[]>> = {
  xmpp: ({ dnsNames, srvNames, xmppAddresses }) => [...new Set([...dnsNames, ...srvNames, ...xmppAddresses])],
  sip: (identities) => sipIdentities(identities, { wildcards: true }),
};

function purposesOf({ purposes }: Certificate): string {
  if (purposes === undefined) return 'anything';
  const known = [...purposes].map((oid) => purposeNames.get(oid) ?? oid);
  return known.length === 0 ? 'nothing' : known.join(' and ');
}

function validity({ notBefore, notAfter }: Certificate, now: Date): string {
  const day = (date: Date): string => date.toISOString().slice(0, 10);
  return now < notBefore ? `valid only from ${day(notBefore)}` : `valid until ${day(notAfter)}`;
}

/** Names are judged elsewhere, by what proves a domain. */
function ofPath(chain: readonly Buffer[], { anchors, now, via }: Reader): Observation {
  const result = verifyChain(chain, { anchors, now, purpose: via === 'sip' ? 'sip' : 'either' });
  if (!result.ok) {
    return warning('tls', `chain of ${chain.length}: ${result.detail}`, { reason: result.reason });
  }
  return ok('tls', `chain: ${result.path.map(commonName).join(' ← ')}, which is trusted`);
}

/** The last part of the subject tells one certificate of a chain from the others. */
function commonName({ subject, fingerprint256 }: X509Certificate): string {
  return subject?.split('\n').at(-1) ?? fingerprint256.slice(0, 23);
}
