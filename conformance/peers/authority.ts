import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Authority,
  type CertificateOptions,
  createAuthority,
  issueCertificate,
  type KeyPair,
  selfSignedCertificate,
} from '../../pki/issue.ts';

export type { CertificateOptions, KeyPair } from '../../pki/issue.ts';

/** The private CA of one test world. */
export class TestAuthority {
  readonly pem: string;
  readonly #authority: Authority;

  static async create(name = 'Drawbridge test authority'): Promise<TestAuthority> {
    return new TestAuthority(await createAuthority({ name }));
  }

  private constructor(authority: Authority) {
    this.#authority = authority;
    this.pem = authority.certificatePem;
  }

  /** An authority under this one; what it issues carries it in the chain. */
  async intermediate(name: string): Promise<TestAuthority> {
    return new TestAuthority(await createAuthority({ name, issuer: this.#authority }));
  }

  /** Leave `xmppAddresses` out for whoever meets ejabberd 23.01: it crashes its stream on a peer certificate with an xmppAddr. */
  async issue(options: CertificateOptions): Promise<KeyPair> {
    return await issueCertificate(this.#authority, options);
  }
}

/** A certificate that nobody vouches for. */
export async function selfSigned(...domains: string[]): Promise<KeyPair> {
  return await selfSignedCertificate({ domains });
}

/** Writes `NAME.crt` and `NAME.key` (Prosody, the gateway) and `NAME.pem` with both (ejabberd). */
export async function writeKeyPair(folder: string, name: string, { certificatePem, keyPem }: KeyPair): Promise<void> {
  await mkdir(folder, { recursive: true });
  await Promise.all([
    writeFile(join(folder, `${name}.crt`), certificatePem),
    writeFile(join(folder, `${name}.key`), keyPem, { mode: 0o600 }),
    writeFile(join(folder, `${name}.pem`), `${certificatePem.trimEnd()}\n${keyPem}`, { mode: 0o600 }),
  ]);
}

/** Writes `ca.crt` and returns its path. */
export async function writeAuthority(folder: string, pem: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'ca.crt');
  await writeFile(file, pem);
  return file;
}
