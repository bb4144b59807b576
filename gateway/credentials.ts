import { loadServerCertificate, type ServerCertificate } from '../pki/server-certificate.ts';
import type { Config } from './config/config.ts';

/** Our own certificates. Rejects with a {@link Fault} `certificate-unusable`. */
export function loadCertificates(config: Config): Promise<ServerCertificate[]> {
  return Promise.all(config.tls.certificates.map(({ cert, key }) => loadServerCertificate(cert, key)));
}
