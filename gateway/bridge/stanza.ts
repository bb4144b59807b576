/** The three stanzas of RFC 6120 §8. */
export type StanzaName = 'message' | 'presence' | 'iq';

/**
 * One stanza as it passes through the middle: plain data, its start tag read and its bytes left alone.
 *
 * `bytes` is portable: it declares every prefix it uses, and leaves the default namespace of its root and stanza
 * children to the stream it is written on (`jabber:server` and `jabber:component:accept` alike, RFC 6120 §4.8.3).
 */
export interface Stanza {
  readonly name: StanzaName;
  readonly from: string;
  readonly to: string;
  /** '' where the attribute is absent. */
  readonly type: string;
  readonly id: string;
  /** Namespace and local name of the first child element, '' where there is none: what an IQ is about. */
  readonly childNamespace: string;
  readonly childName: string;
  /** Child elements in all. */
  readonly children: number;
  readonly bytes: Buffer;
}
