import { Fault, type Place } from '../../policies/fault.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import { ns } from './namespaces.ts';
import { escapeText } from './xml.ts';

/** Stream error conditions, RFC 6120 §4.9.3: every one of them is fatal to its stream. */
export type StreamCondition =
  | 'bad-format'
  | 'bad-namespace-prefix'
  | 'conflict'
  | 'connection-timeout'
  | 'host-gone'
  | 'host-unknown'
  | 'improper-addressing'
  | 'internal-server-error'
  | 'invalid-from'
  | 'invalid-namespace'
  | 'invalid-xml'
  | 'not-authorized'
  | 'not-well-formed'
  | 'policy-violation'
  | 'remote-connection-failed'
  | 'reset'
  | 'resource-constraint'
  | 'restricted-xml'
  | 'see-other-host'
  | 'system-shutdown'
  | 'undefined-condition'
  | 'unsupported-encoding'
  | 'unsupported-feature'
  | 'unsupported-stanza-type'
  | 'unsupported-version';

/** What ends a stream from our side: the condition the peer is told, and the reason the operator reads. */
export class StreamFault extends Fault {
  readonly condition: StreamCondition;
  /** An application-specific condition (RFC 6120 §4.9.4), ready to write. */
  readonly extra: string;

  /** `place`: the policy line that decided. */
  constructor(condition: StreamCondition, code: ReasonCode, message?: string, extra = '', place?: Place) {
    super(code, message, { place });
    this.name = 'StreamFault';
    this.condition = condition;
    this.extra = extra;
  }
}

/** The stream error with which the peer ended the stream. */
export class PeerStreamFault extends Fault {
  /** The condition as the peer wrote it, '' where it gave none: one of {@link StreamCondition}, if it keeps the rules. */
  readonly condition: string;

  constructor(condition: string) {
    super('stream-error', `The peer ended the stream: ${condition || 'no condition given'}.`);
    this.name = 'PeerStreamFault';
    this.condition = condition;
  }
}

/** What XML 1.0 or Namespaces in XML forbid. */
export function malformed(message?: string): StreamFault {
  return new StreamFault('not-well-formed', 'xml-malformed', message);
}

/** What XMPP forbids of XML, RFC 6120 §11.1. */
export function restricted(what: string): StreamFault {
  return new StreamFault('restricted-xml', 'xml-restricted', `${what} Not allowed in XMPP (RFC 6120 §11.1).`);
}

/** The wire form of a stream error. `text` goes to the peer: nothing of the policy or the configuration in it. */
export function streamErrorXml(condition: StreamCondition, text = '', extra = ''): string {
  const readable = text === '' ? '' : `<text xmlns='${ns.streamErrors}' xml:lang='en'>${escapeText(text)}</text>`;
  return `<stream:error><${condition} xmlns='${ns.streamErrors}'/>${readable}${extra}</stream:error>`;
}
