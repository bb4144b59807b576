import { childrenOf, escapeXml, readXml, type StanzaForm } from './stanza-xml.ts';

const LOOP = 'urn:drawbridge:loop:1';
const SLASH = 0x2f;
const LT = 0x3c;
/** Max-Forwards of a request that begins its way (RFC 3261 §8.1.1.6), and the most that a marker is believed. */
export const MOST_HOPS = 70;
/** Gateways that a marker names: a path of more is taken for a loop. */
export const MOST_GATEWAYS = 16;
const GATEWAY = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * What XMPP has no room for and SIP carries in Max-Forwards and Via (RFC 7247 §8): how many hops are left to a message
 * that crossed, and which gateways it crossed.
 */
export interface LoopMarker {
  /** 0–70. */
  readonly hops: number;
  /** Ids of gateways in their order: 1–64 letters, digits, `.`, `_` or `-`. */
  readonly gateways: readonly string[];
}

/** The stanza with a marker as its last child, in the place of any it had. */
export function markLoop<Form extends StanzaForm>(stanza: Form, { hops, gateways }: LoopMarker): Form {
  const bare = stripLoop(stanza);
  const left = Math.min(Math.max(Math.trunc(hops), 0), MOST_HOPS);
  const via = gateways.filter((id) => GATEWAY.test(id)).join(' ');
  const marker = `<loop xmlns="${LOOP}" hops="${left}" via="${escapeXml(via)}"/>`;
  const children = bare.children + 1;
  const bytes = withLastChild(bare, marker);
  if (children > 1) return { ...bare, children, bytes };
  return { ...bare, childName: 'loop', childNamespace: LOOP, children, bytes };
}

/**
 * The marker of a stanza, undefined where it has none. Of several the fewest hops and all gateways count; one that cannot
 * be read leaves no hops, as only somebody who would hide a loop writes such.
 */
export function readLoop({ bytes }: Pick<StanzaForm, 'bytes'>): LoopMarker | undefined {
  if (!bytes.includes(LOOP)) return undefined;
  const root = readXml(bytes.toString());
  const markers = root === undefined ? [] : childrenOf(root, LOOP);
  if (markers.length === 0) return undefined;
  const hops = markers.map(({ attrs }) => (/^[0-9]{1,3}$/.test(attrs.hops ?? '') ? Number(attrs.hops) : 0));
  const gateways = markers
    .flatMap(({ attrs }) => (attrs.via ?? '').split(' ', MOST_GATEWAYS + 1))
    .filter((id) => id !== '');
  const readable = gateways.length <= MOST_GATEWAYS && gateways.every((id) => GATEWAY.test(id));
  return { hops: readable ? Math.min(...hops, MOST_HOPS) : 0, gateways: gateways.filter((id) => GATEWAY.test(id)) };
}

/** The stanza without any marker: for homes that should not see it, and before a new one is set. */
export function stripLoop<Form extends StanzaForm>(stanza: Form): Form {
  if (!stanza.bytes.includes(LOOP)) return stanza;
  const root = readXml(stanza.bytes.toString());
  if (root === undefined) return stanza;
  const markers = childrenOf(root, LOOP);
  if (markers.length === 0) return stanza;
  root.children = root.children.filter((child) => typeof child === 'string' || !markers.includes(child));
  const [first] = root.getChildElements();
  return {
    ...stanza,
    childName: first?.getName() ?? '',
    childNamespace: first?.getNS() ?? '',
    children: Math.max(stanza.children - markers.length, 0),
    bytes: Buffer.from(root.toString()),
  };
}

/**
 * What a gateway does with a stanza or request that came with this marker: `loop`, it was here before or went through too
 * many (RFC 3261 §16.3 482), `spent`, no hops are left (483), else the marker to send it on with.
 */
export function crossLoop(marker: LoopMarker | undefined, gateway: string): LoopMarker | 'loop' | 'spent' {
  const { hops, gateways } = marker ?? { hops: MOST_HOPS, gateways: [] };
  if (gateways.includes(gateway) || gateways.length >= MOST_GATEWAYS) return 'loop';
  return hops <= 0 ? 'spent' : { hops: hops - 1, gateways: [...gateways, gateway] };
}

/** Only an empty-element tag ends in a slash: an end tag has a name or white space there. */
function withLastChild({ bytes, name }: StanzaForm, xml: string): Buffer {
  const empty = bytes.at(-2) === SLASH;
  const end = empty ? bytes.length - 2 : bytes.lastIndexOf(LT);
  const child = empty ? `>${xml}</${name}>` : xml;
  const rest = empty ? bytes.length : end;
  const marked = Buffer.allocUnsafe(end + Buffer.byteLength(child) + bytes.length - rest);
  bytes.copy(marked, 0, 0, end);
  const at = end + marked.write(child, end);
  bytes.copy(marked, at, rest);
  return marked;
}
