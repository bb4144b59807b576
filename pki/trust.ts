import { readFile } from 'node:fs/promises';
import { getCACertificates, rootCertificates } from 'node:tls';
import { Fault, systemText } from '../policies/fault.ts';
import { Certificate } from './certificate.ts';
import { certificateBlocks } from './pem.ts';

/**
 * The certificates at which a path may end: authorities, and any other certificate that an administrator pins by
 * listing it. Read once and indexed, so that verifying a chain parses only what the peer sent.
 */
export interface TrustAnchors {
  /** By `subjectKey`. */
  readonly bySubject: ReadonlyMap<string, readonly Certificate[]>;
  readonly fingerprints: ReadonlySet<string>;
}

/**
 * Loads what `tls.trust` lists: `system` (the store of the operating system, Mozilla's list as shipped with Node
 * where it is empty) and PEM files of one or more certificates. Throws `trust-unusable`, naming file and line.
 */
export async function loadTrust(sources: readonly string[]): Promise<TrustAnchors> {
  const certificates: Certificate[] = [];
  for (const source of sources) {
    certificates.push(...(source === 'system' ? systemAnchors() : await fileAnchors(source)));
  }
  return indexed(certificates);
}

/** Anchors of PEM texts, each of one or more certificates. Throws `certificate-malformed`. */
export function trustFromPem(pems: readonly string[]): TrustAnchors {
  return indexed(pems.flatMap((pem) => certificateBlocks(pem).map(({ der }) => new Certificate(der))));
}

function indexed(certificates: readonly Certificate[]): TrustAnchors {
  const unique = new Map(certificates.map((certificate) => [certificate.fingerprint, certificate]));
  return {
    bySubject: Map.groupBy(unique.values(), ({ subjectKey }) => subjectKey),
    fingerprints: new Set(unique.keys()),
  };
}

/** A store may hold what we cannot read; it only ends no path. */
function systemAnchors(): Certificate[] {
  const system = getCACertificates('system');
  const pems = new Set(system.length > 0 ? system : rootCertificates);
  return [...pems].flatMap((pem) => {
    try {
      return certificateBlocks(pem).map(({ der }) => new Certificate(der));
    } catch {
      return [];
    }
  });
}

async function fileAnchors(file: string): Promise<Certificate[]> {
  const unusable = (message: string, line: number, remedy: string, cause?: unknown): Fault =>
    new Fault('trust-unusable', message, { place: { file, line, column: 1 }, remedy, cause });
  const text = await readFile(file, 'latin1').catch((cause: unknown) => {
    // Without a place: there is no line to show, and who names the file knows where it is named.
    throw new Fault('trust-unusable', `${file} cannot be read: ${systemText(cause)}`, {
      remedy: 'Check the path and that the gateway may read the file.',
      cause,
    });
  });
  const blocks = certificateBlocks(text);
  if (blocks.length === 0) {
    throw unusable(
      'The file holds no certificate.',
      1,
      'List PEM files with BEGIN CERTIFICATE blocks under tls.trust.',
    );
  }
  return blocks.map(({ der, line }) => {
    try {
      return new Certificate(der);
    } catch (cause) {
      throw unusable('A trusted certificate cannot be read.', line, 'Export the certificate again, as PEM.', cause);
    }
  });
}
