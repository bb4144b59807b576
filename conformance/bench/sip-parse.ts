import type { SipMessage } from '../../gateway/sip/message/message.ts';
import { tagOf } from '../../gateway/sip/message/name-address.ts';
import { parseMessage } from '../../gateway/sip/message/parse.ts';
import { syntaxFault } from '../../gateway/sip/message/syntax.ts';
import { type Figure, figure, figureAtLeast } from './figure.ts';
import { median } from './median.ts';

/** Reads one message as a proxy or a user agent would, with what it routes by; returns something of each header. */
export type SipParser = (head: Buffer, body: Buffer) => number;

/** Another parser, measured on the same messages. */
export interface PeerParser {
  readonly name: string;
  readonly parse: SipParser;
}

const RUNS = 7;
/** Calls of some dozens of users, every id new: nothing that a parser could remember. */
const INVITES = 500;
/** About a tenth of a second in each run. */
const ROUNDS = 25;
/** INVITEs a second. */
const TARGET = 120_000;

const invites = Array.from({ length: INVITES }, (_, n) => inviteOf(n));
const inviteBytes = invites.reduce((sum, { head, body }) => sum + head.length + 4 + body.length, 0) / INVITES;

/**
 * CPU time for one INVITE with SDP, medians of {@link RUNS}: read with its routing headers, and checked as the
 * transactions do besides. Each peer takes the same messages, by turns; it is too slow for as many rounds.
 */
export function benchSipParse(peers: readonly PeerParser[] = []): Figure[] {
  const ours: number[] = [];
  const checked: number[] = [];
  const theirs = peers.map((): number[] => []);
  for (let run = -2; run < RUNS; run++) {
    const times = [cpuOf(routed, ROUNDS), cpuOf(sound, ROUNDS), ...peers.map(({ parse }) => cpuOf(parse, 1))];
    if (run < 0) continue; // The first turns are for the compiler.
    const [parsed = Number.NaN, whole = Number.NaN, ...others] = times;
    ours.push(parsed);
    checked.push(whole);
    for (const [n, time] of others.entries()) theirs[n]?.push(time);
  }
  const fast = median(ours);
  return [
    figure('INVITE with SDP', Math.round(inviteBytes), 'bytes'),
    figure('parse', fast, 'ns/INVITE'),
    figureAtLeast('parse', 1e9 / fast, 'INVITEs/s', TARGET),
    figure('parse and check', median(checked), 'ns/INVITE'),
    ...peers.flatMap(({ name }, n) => {
      const time = median(theirs[n] ?? []);
      return [figure(name, 1e9 / time, 'INVITEs/s'), figure(`${name} / ours`, time / fast, 'ratio')];
    }),
  ];
}

function routed(head: Buffer, body: Buffer): number {
  return routing(parseMessage(head, body));
}

function sound(head: Buffer, body: Buffer): number {
  const message = parseMessage(head, body);
  if (syntaxFault(message) !== undefined) throw new Error('An INVITE of the bench was refused.');
  return routing(message);
}

/** What transactions, dialogs and the trunk table read of each request. */
function routing(message: SipMessage): number {
  return (
    message.topVia.branch.length +
    tagOf(message.from).length +
    message.to.uri.length +
    message.callId.length +
    message.cseq.number +
    (message.contact?.uri.length ?? 0) +
    (message.maxForwards ?? 0) +
    message.headers.all('Route').length +
    message.headers.all('Record-Route').length +
    message.headers.all('Require').length +
    (message.headers.get('Content-Type')?.length ?? 0)
  );
}

function cpuOf(parse: SipParser, rounds: number): number {
  let read = 0;
  const before = process.cpuUsage();
  for (let n = 0; n < rounds; n++) for (const { head, body } of invites) read += parse(head, body);
  const { user, system } = process.cpuUsage(before);
  if (!(read > rounds * INVITES)) throw new Error('The parser read nothing.');
  return ((user + system) * 1000) / (rounds * INVITES);
}

function inviteOf(n: number): { head: Buffer; body: Buffer } {
  const hex = (part: string): string => `${part}${(n * 2_654_435_761).toString(16).padStart(12, '0')}`;
  const body = [
    'v=0',
    `o=- ${n} 1 IN IP4 192.0.2.${n % 250}`,
    's=-',
    `c=IN IP4 192.0.2.${n % 250}`,
    't=0 0',
    `m=audio ${20_000 + n * 2} RTP/AVP 0 8 96`,
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:8 PCMA/8000',
    'a=rtpmap:96 telephone-event/8000',
    'a=fmtp:96 0-15',
    'a=sendrecv',
    '',
  ].join('\r\n');
  const head = [
    `INVITE sip:+1555${n % 300}@capulet.example;user=phone SIP/2.0`,
    `Via: SIP/2.0/TLS edge.montague.example:5061;branch=z9hG4bK${hex('a')};alias`,
    `Via: SIP/2.0/TLS 192.0.2.17:5061;branch=z9hG4bK${hex('b')};received=192.0.2.17;rport=40211`,
    `Record-Route: <sip:edge.montague.example:5061;transport=tls;lr>`,
    'Max-Forwards: 69',
    `From: "Romeo ${n % 40}" <sip:romeo${n % 40}@montague.example>;tag=${hex('c')}`,
    `To: <sip:+1555${n % 300}@capulet.example;user=phone>`,
    `Call-ID: ${hex('d')}@montague.example`,
    `CSeq: ${1 + (n % 90)} INVITE`,
    `Contact: <sip:romeo${n % 40}@192.0.2.17:5061;transport=tls>`,
    'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, INFO, UPDATE, PRACK, REFER, NOTIFY',
    'Supported: 100rel, timer, replaces, norefersub',
    'Session-Expires: 1800;refresher=uac',
    'Min-SE: 90',
    `P-Asserted-Identity: "Romeo ${n % 40}" <sip:+1556${n % 40}@montague.example>`,
    'User-Agent: Montague PBX 12.4.1',
    'Content-Type: application/sdp',
    `Content-Length: ${body.length}`,
  ].join('\r\n');
  return { head: Buffer.from(head), body: Buffer.from(body) };
}
