import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Fault, systemText } from '../policies/fault.ts';
import { Certificate } from './certificate.ts';
import { type Identities, identitiesIn } from './identity.ts';
import { certificateBlocks } from './pem.ts';
import { keyWeakness } from './strength.ts';

/** A certificate that the gateway presents, checked and ready for `tls.createSecureContext({ cert, key })`. */
export interface ServerCertificate {
  /** The file as it is: leaf first, then intermediates. */
  readonly certPem: string;
  readonly keyPem: string;
  /** Names of the leaf: see `namesXmppDomain`. */
  readonly identities: Identities;
  /** Earliest expiry of the certificates in the file. */
  readonly notAfter: Date;
  /** SHA-256 of the leaf, hex: tells whether a reload brought another one. */
  readonly fingerprint: string;
}

/**
 * Loads one of our own certificates. Throws `certificate-unusable` with file, line and remedy (no line where a file
 * cannot be read) where the certificate is malformed, weak or outside its dates at `now`, or the key is encrypted or another one.
 */
export async function loadServerCertificate(
  certFile: string,
  keyFile: string,
  now = new Date(),
): Promise<ServerCertificate> {
  const certPem = await readText(certFile);
  const keyPem = await readText(keyFile);
  const { leaf, chain } = readChain(certFile, certPem);
  const key = readKey(keyFile, keyPem);
  checkKey(chain, key, certFile, keyFile);
  checkDates(certFile, chain, now);
  const weakness = keyWeakness(leaf);
  if (weakness !== undefined) throw unusable(certFile, weakness, 'Issue the certificate again with a new key.');
  return {
    certPem,
    keyPem,
    identities: identitiesIn(leaf),
    notAfter: new Date(Math.min(...chain.map(({ certificate }) => certificate.notAfter.getTime()))),
    fingerprint: leaf.fingerprint,
  };
}

interface Presented {
  readonly certificate: Certificate;
  readonly line: number;
}

function unusable(file: string, message: string, remedy: string, at: { line?: number; cause?: unknown } = {}): Fault {
  const place = { file, line: at.line ?? 1, column: 1 };
  return new Fault('certificate-unusable', message, { place, remedy, cause: at.cause });
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    // Without a place: there is no line to show, and who names the file knows where it is named.
    throw new Fault('certificate-unusable', `${file} cannot be read: ${systemText(cause)}`, {
      remedy: 'Check the path and that the gateway may read the file.',
      cause,
    });
  }
}

function readChain(file: string, text: string): { leaf: Certificate; chain: Presented[] } {
  const chain = certificateBlocks(text).map(({ der, line }) => {
    try {
      return { certificate: new Certificate(der), line };
    } catch (cause) {
      throw unusable(file, 'The certificate cannot be read.', 'Export the certificate again, as PEM.', { line, cause });
    }
  });
  const leaf = chain[0]?.certificate;
  if (leaf === undefined) {
    throw unusable(
      file,
      'The file holds no certificate.',
      'Give a PEM file: the certificate first, then intermediates.',
    );
  }
  return { leaf, chain };
}

function readKey(file: string, text: string): KeyObject {
  if (/^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type:.*ENCRYPTED/m.test(text)) {
    throw unusable(file, 'The key is encrypted.', `Remove its password: openssl pkey -in ${file} -out plain.key`);
  }
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw unusable(file, 'The file holds no private key.', 'Give the key as PEM (BEGIN PRIVATE KEY).', { cause });
  }
}

function checkKey(chain: readonly Presented[], key: KeyObject, certFile: string, keyFile: string): void {
  const position = chain.findIndex(({ certificate }) => certificate.x509.checkPrivateKey(key));
  if (position === 0) return;
  if (position < 0) {
    throw unusable(
      keyFile,
      `The key does not belong to the certificate in ${certFile}.`,
      'Give the key of that certificate.',
    );
  }
  throw unusable(
    certFile,
    'The certificate of the key is not the first.',
    'Put the server certificate before the intermediates.',
    {
      line: chain[position]?.line ?? 1,
    },
  );
}

function checkDates(file: string, chain: readonly Presented[], now: Date): void {
  for (const { certificate, line } of chain) {
    const { notBefore, notAfter, label } = certificate;
    if (now > notAfter) {
      throw unusable(file, `${label} expired on ${notAfter.toISOString()}.`, 'Renew the certificate.', { line });
    }
    if (now < notBefore) {
      const remedy = 'Check the clock of this machine, or wait.';
      throw unusable(file, `${label} is not valid before ${notBefore.toISOString()}.`, remedy, { line });
    }
  }
}
