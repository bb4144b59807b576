import { stat } from 'node:fs/promises';
import { namesXmppDomain } from '../../../pki/identity.ts';
import { certificateBlocks } from '../../../pki/pem.ts';
import { loadServerCertificate, type ServerCertificate } from '../../../pki/server-certificate.ts';
import { loadTrust, type TrustAnchors } from '../../../pki/trust.ts';
import { verifyChain } from '../../../pki/verify.ts';
import type { Place } from '../../../policies/fault.ts';
import { error, type Observation, ofThrown, ok, warning } from '../observation.ts';
import { pathText } from '../place-text.ts';
import type { Checked } from './checked.ts';

const DAY_MS = 86_400_000;
/** From here on an expiry is worth a warning: time enough for any authority to renew. */
const SOON_DAYS = 30;

/** Our own certificates: usable, not about to expire, with a chain that leads somewhere, one for each home domain. */
export async function checkCertificates({ config, place }: Checked): Promise<Observation[]> {
  const { certificates, trust } = config.tls;
  const anchors = await loadTrust(trust).catch(() => undefined);
  const usable: ServerCertificate[] = [];
  const observations: Observation[] = [];
  for (const [index, { cert, key }] of certificates.entries()) {
    const at = place('tls', 'certificates', index);
    try {
      const certificate = await loadServerCertificate(cert, key);
      usable.push(certificate);
      observations.push(...ofUsable(cert, certificate, at, anchors), ...(await ofKeyFile(key, at)));
    } catch (thrown) {
      observations.push(ofThrown('certificates', thrown, at));
    }
  }
  // A certificate that cannot be used may name what seems to be missing.
  if (usable.length < certificates.length || certificates.length === 0) return observations;
  const uncovered = config.home.domains.filter(
    (domain) => !usable.some(({ identities }) => namesXmppDomain(identities, domain)),
  );
  const uncoveredPlace = place('tls', 'certificates');
  return [...observations, ...uncovered.map((domain) => ofUncovered(domain, uncoveredPlace))];
}

function ofUsable(
  file: string,
  { identities, notAfter, certPem }: ServerCertificate,
  place: Place,
  anchors: TrustAnchors | undefined,
): Observation[] {
  const names = [...identities.dnsNames, ...identities.srvNames, ...identities.xmppAddresses];
  const until = notAfter.toISOString().slice(0, 10);
  const days = Math.floor((notAfter.getTime() - Date.now()) / DAY_MS);
  const expiry =
    days < SOON_DAYS
      ? warning('certificates', `${pathText(file)} expires in ${days} days, on ${until}`, {
          place,
          remedy: 'renew it; a running gateway takes the new file up by itself',
        })
      : ok('certificates', `${pathText(file)} names ${names.join(', ')}, until ${until}`);
  if (anchors === undefined) return [expiry];
  const chain = certificateBlocks(certPem).map(({ der }) => der);
  const verified = verifyChain(chain, { anchors, now: new Date(), purpose: 'either' });
  if (verified.ok) return [expiry];
  const message = `${pathText(file)} would not convince us: ${verified.detail}`;
  const remedy = 'add the missing intermediates to the file, or its private authority to `tls.trust`';
  return [expiry, warning('certificates', message, { place, remedy })];
}

async function ofKeyFile(file: string, place: Place): Promise<Observation[]> {
  const { mode } = await stat(file);
  if ((mode & 0o077) === 0) return [];
  const message = `the private key ${pathText(file)} is open to other users (mode ${(mode & 0o777).toString(8)})`;
  return [warning('certificates', message, { place, remedy: `chmod 600 ${pathText(file)}` })];
}

function ofUncovered(domain: string, place: Place): Observation {
  return error('certificates', `no usable certificate names ${domain}`, {
    place,
    remedy: `get one whose names hold ${domain}, and list it under \`tls.certificates\``,
  });
}
