import { randomBytes } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAuthority, issueCertificate, type KeyPair } from '../../../pki/issue.ts';
import { Fault, systemText } from '../../../policies/fault.ts';
import { gatewayYaml } from './gateway-yaml.ts';
import { defaultsYaml, partnerSample } from './policies.ts';

/** One file of a new gateway. */
export interface LaidOut {
  /** Relative to the folder of the gateway. */
  readonly path: string;
  /** False where something stood there already: then it was left alone. */
  readonly isNew: boolean;
  readonly remark: string;
}

const PRIVATE = 0o600;
const PUBLIC = 0o644;
const EXISTS = 'it was there already';

/**
 * Lays out a gateway in `dir` for one home domain and its conference domain: configuration, policies, secret, a private
 * authority that can vouch for the home domain only, and a certificate. What exists stays as it is.
 * Rejects with Fault `wrong-use` where it cannot be written there.
 */
export async function layOut(dir: string, domain: string): Promise<LaidOut[]> {
  for (const folder of ['pki', 'state']) await makeFolder(join(dir, folder), 0o700);
  await makeFolder(join(dir, 'policies'));
  const put = (path: string, content: string, mode = PUBLIC) => create(dir, path, content, mode);
  return [
    await put('gateway.yaml', gatewayYaml(domain)),
    await put('policies/defaults.yaml', defaultsYaml),
    await put('policies/partner.example.yaml.sample', partnerSample(domain)),
    await put('state/home-secret', `${randomBytes(32).toString('base64url')}\n`, PRIVATE),
    ...(await layOutCertificates(dir, domain)),
  ];
}

async function layOutCertificates(dir: string, domain: string): Promise<LaidOut[]> {
  const authorityFiles = { cert: 'pki/ca.pem', key: 'pki/ca.key' };
  const ownFiles = { cert: `pki/${domain}.pem`, key: `pki/${domain}.key` };
  const authority = await pair(dir, authorityFiles, () =>
    createAuthority({ name: `Drawbridge private authority of ${domain}`, permittedDomains: [domain] }),
  );
  const own = await pair(dir, ownFiles, async () => {
    const [certificatePem, keyPem] = await Promise.all(
      [authorityFiles.cert, authorityFiles.key].map((path) => readAuthority(join(dir, path))),
    );
    return issueCertificate(
      { certificatePem: certificatePem ?? '', keyPem: keyPem ?? '' },
      { domains: [domain, `conference.${domain}`] },
    );
  });
  return [...authority, ...own];
}

/** A certificate and its key belong together: where one of them exists, neither is written. */
async function pair(
  dir: string,
  { cert, key }: { readonly cert: string; readonly key: string },
  make: () => Promise<KeyPair>,
): Promise<LaidOut[]> {
  const there = await Promise.all([cert, key].map((path) => exists(join(dir, path))));
  if (there.some(Boolean)) {
    return [cert, key].flatMap((path, index) => {
      if (there[index] === true) return [{ path, isNew: false, remark: EXISTS }];
      return [{ path, isNew: false, remark: 'not written: its other half was there already' }];
    });
  }
  const { certificatePem, keyPem } = await make();
  return [await create(dir, cert, certificatePem, PUBLIC), await create(dir, key, keyPem, PRIVATE)];
}

async function readAuthority(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new Fault('certificate-unusable', `${file} cannot be read, and without it no certificate can be issued.`, {
      remedy: 'Put the authority there, certificate and key, or move what is left of it away.',
      cause,
    });
  });
}

async function makeFolder(folder: string, mode?: number): Promise<void> {
  await mkdir(folder, { recursive: true, mode }).catch((thrown: unknown) => {
    throw unwritable(folder, thrown);
  });
}

function unwritable(path: string, cause: unknown): Fault {
  const remedy = 'Give another folder, or let this user write there.';
  return new Fault('wrong-use', `${path} cannot be written: ${systemText(cause)}`, { remedy, cause });
}

/** Writes a file that does not exist yet. */
async function create(dir: string, path: string, content: string, mode: number): Promise<LaidOut> {
  const file = join(dir, path);
  try {
    await writeFile(file, content, { flag: 'wx', mode });
    return { path, isNew: true, remark: '' };
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return { path, isNew: false, remark: EXISTS };
    throw unwritable(file, thrown);
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
