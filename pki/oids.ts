/** The object identifiers that certificates of federation use. */
export const oids = {
  commonName: '2.5.4.3',

  // Extensions, RFC 5280 §4.2.1.
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  inhibitAnyPolicy: '2.5.29.54',

  // Purposes, RFC 5280 §4.2.1.12.
  anyExtendedKeyUsage: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  /** RFC 5924. */
  sipDomain: '1.3.6.1.5.5.7.3.20',

  // otherName forms: RFC 6120 §13.7.1.4, RFC 4985 §2.
  xmppAddr: '1.3.6.1.5.5.7.8.5',
  dnsSrv: '1.3.6.1.5.5.7.8.7',

  // Signature algorithms, RFC 4055, 5758, 8410.
  rsaSha256: '1.2.840.113549.1.1.11',
  rsaSha384: '1.2.840.113549.1.1.12',
  rsaSha512: '1.2.840.113549.1.1.13',
  rsaPss: '1.2.840.113549.1.1.10',
  ecdsaSha256: '1.2.840.10045.4.3.2',
  ecdsaSha384: '1.2.840.10045.4.3.3',
  ecdsaSha512: '1.2.840.10045.4.3.4',
  ed25519: '1.3.101.112',
  ed448: '1.3.101.113',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
} as const;

/** Bits of KeyUsage, RFC 5280 §4.2.1.3. */
export const keyUsage = {
  digitalSignature: 0,
  keyEncipherment: 2,
  keyAgreement: 4,
  keyCertSign: 5,
  crlSign: 6,
} as const;

/** Tags of GeneralName, RFC 5280 §4.2.1.6. */
export const generalName = { other: 0, email: 1, dns: 2, directory: 4, uri: 6, ip: 7 } as const;
