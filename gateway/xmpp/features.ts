import { type Element, parse } from 'ltx';
import { ns } from './namespaces.ts';

/** What a receiving server offers, as the children of `<stream:features/>` it writes. */
export const offer = {
  starttls: (required: boolean): string => `<starttls xmlns='${ns.tls}'>${required ? '<required/>' : ''}</starttls>`,
  external: `<mechanisms xmlns='${ns.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`,
  /** `<errors/>`: we answer dialback with typed errors (XEP-0220 §2.5). */
  dialback: `<dialback xmlns='${ns.dialbackFeature}'><errors/></dialback>`,
  sm: `<sm xmlns='${ns.sm}'/>`,
  bidi: `<bidi xmlns='${ns.bidiFeature}'/>`,
  /** XEP-0478: the largest stanza in bytes and how long a stream may be silent in seconds. */
  limits: (bytes: number, idleMs: number): string =>
    `<limits xmlns='${ns.limits}'><max-bytes>${bytes}</max-bytes>` +
    `<idle-seconds>${Math.floor(idleMs / 1000)}</idle-seconds></limits>`,
} as const;

export function featuresXml(offers: readonly string[]): string {
  return `<stream:features>${offers.join('')}</stream:features>`;
}

/** What a peer offers, of the things we can use. */
export interface PeerFeatures {
  readonly starttls: boolean;
  readonly external: boolean;
  readonly dialback: boolean;
  readonly dialbackErrors: boolean;
  readonly bidi: boolean;
  readonly sm: boolean;
  /** XEP-0478, 0 where unsaid. */
  readonly maxBytes: number;
}

export function readFeatures(bytes: Buffer): PeerFeatures {
  const features = parse(bytes.toString());
  const mechanisms = features.getChild('mechanisms', ns.sasl)?.getChildren('mechanism') ?? [];
  const dialback = features.getChild('dialback', ns.dialbackFeature);
  return {
    starttls: features.getChild('starttls', ns.tls) !== undefined,
    external: mechanisms.some((mechanism) => mechanism.getText().trim() === 'EXTERNAL'),
    dialback: dialback !== undefined,
    dialbackErrors: dialback?.getChild('errors') !== undefined,
    bidi: features.getChild('bidi', ns.bidiFeature) !== undefined,
    sm: features.getChild('sm', ns.sm) !== undefined,
    maxBytes: maxBytesIn(features),
  };
}

export const noFeatures: PeerFeatures = {
  starttls: false,
  external: false,
  dialback: false,
  dialbackErrors: false,
  bidi: false,
  sm: false,
  maxBytes: 0,
};

/** Largest stanza that a peer takes on its bidirectional stream, bytes; 0 where unsaid (XEP-0478 §3 puts it there). */
export function readBidiMaxBytes(bytes: Buffer): number {
  return maxBytesIn(parse(bytes.toString()));
}

/** Whether a stanza is larger than its peer takes: then it is refused here, and not the whole stream there. */
export function exceeds({ bytes }: { readonly bytes: Buffer }, maxBytes: number): boolean {
  return maxBytes > 0 && bytes.length > maxBytes;
}

function maxBytesIn(features: Element): number {
  const text = features.getChild('limits', ns.limits)?.getChildText('max-bytes') ?? '';
  return /^\d{1,12}$/.test(text) ? Number(text) : 0;
}
