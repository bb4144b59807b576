import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { KeyPair } from '../issue.ts';

/** A certificate as the `openssl` command makes it: for what `issue.ts` refuses to make, and as a second opinion. */
export interface OpensslOptions {
  readonly commonName: string;
  /** Lines of an x509v3 section, e.g. `basicConstraints=critical,CA:TRUE`. Key identifiers only where named. */
  readonly extensions?: readonly string[];
  /** Default: self-signed. */
  readonly issuer?: KeyPair;
  /** Reuses this PEM key; default a new one on P-256. */
  readonly keyPem?: string;
  /** Arguments of `openssl genpkey`. */
  readonly newKey?: readonly string[];
  readonly digest?: 'sha1' | 'sha256';
  readonly signatureOptions?: readonly string[];
}

const run = promisify(execFile);
const P256 = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];

/** Valid from now for a day. */
export async function opensslCertificate(options: OpensslOptions): Promise<KeyPair> {
  return withFiles(async (directory) => {
    const file = (name: string): string => join(directory, name);
    if (options.keyPem !== undefined) await writeFile(file('key'), options.keyPem);
    else await run('openssl', ['genpkey', ...(options.newKey ?? P256), '-out', file('key')]);
    await writeFile(
      file('config'),
      [
        '[req]',
        'distinguished_name=dn',
        'x509_extensions=ext',
        '[dn]',
        '[ext]',
        ...(options.extensions ?? []),
        '',
      ].join('\n'),
    );
    const issuer: string[] = [];
    if (options.issuer !== undefined) {
      await writeFile(file('ca'), options.issuer.certificatePem);
      await writeFile(file('ca.key'), options.issuer.keyPem);
      issuer.push('-CA', file('ca'), '-CAkey', file('ca.key'));
    }
    const digest = `-${options.digest ?? 'sha256'}`;
    await run('openssl', [
      ...['req', '-x509', '-new', '-key', file('key'), '-out', file('cert'), '-config', file('config'), '-days', '1'],
      ...['-subj', `/CN=${options.commonName}`, digest, ...(options.signatureOptions ?? []), ...issuer],
    ]);
    return { certificatePem: await readFile(file('cert'), 'utf8'), keyPem: await readFile(file('key'), 'utf8') };
  });
}

/** What `openssl verify -x509_strict` prints; rejects where it does not verify. */
export async function opensslVerify(root: string, intermediates: string, leaf: string): Promise<string> {
  return withFiles(async (directory) => {
    const files = { root, intermediates, leaf };
    for (const [name, pem] of Object.entries(files)) await writeFile(join(directory, name), pem);
    const untrusted = intermediates === '' ? [] : ['-untrusted', join(directory, 'intermediates')];
    const args = ['verify', '-x509_strict', '-CAfile', join(directory, 'root'), ...untrusted, join(directory, 'leaf')];
    return (await run('openssl', args)).stdout;
  });
}

async function withFiles<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'drawbridge-pki-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}
