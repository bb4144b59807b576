import { parse } from 'ltx';
import { ns } from '../../gateway/xmpp/namespaces.ts';
import { Scanner } from '../../gateway/xmpp/scanner.ts';
import { type Figure, figure } from './figure.ts';
import { median } from './median.ts';

const RUNS = 7;
/** About what one read of a busy connection brings, 64 KB. */
const STANZAS_PER_CHUNK = 170;
const CHUNKS_PER_RUN = 100;

const body =
  'Neither, fair saint, if either thee dislike. But soft, what light through yonder window breaks? It is the east, ' +
  'and Juliet is the sun; arise, fair sun, and kill the moon.';
/** Messages as one partner sends them: some dozens of users at a time, every id new. */
const stanzas = Array.from({ length: STANZAS_PER_CHUNK }, (_, n) => {
  const start = `<message from='romeo${n % 40}@montague.example/orchard' to='juliet${n % 30}@capulet.example' type='chat'`;
  return (
    `${start} id='a9c1f3e2-${1000 + n}' xml:lang='en'><body>${body}</body>` +
    "<active xmlns='http://jabber.org/protocol/chatstates'/></message>"
  );
});
const opening = `<stream:stream xmlns='${ns.server}' xmlns:stream='${ns.streams}' xmlns:db='${ns.dialback}' version='1.0'>`;

/**
 * CPU time for one stanza, medians of {@link RUNS}: our scanner, and building a tree with ltx, which is what XMPP
 * servers in Node do. Both take the same messages, by turns.
 */
export function benchScanner(): Figure[] {
  let seen = 0;
  const limits = { elementBytes: 262_144, depth: 64, attributes: 64 };
  const scanner = new Scanner({ header() {}, element: () => seen++, footer() {} }, limits, ns.server);
  scanner.push(Buffer.from(opening));
  const chunk = Buffer.from(stanzas.join(''));
  const single = stanzas.map((stanza) => Buffer.from(stanza));
  const scans: number[] = [];
  const parses: number[] = [];
  for (let run = -2; run < RUNS; run++) {
    const scanned = cpuOf(() => scanner.push(chunk));
    const parsed = cpuOf(() => {
      for (const stanza of single) parse(stanza.toString());
    });
    if (run < 0) continue; // The first turns are for the compiler.
    scans.push(scanned);
    parses.push(parsed);
  }
  if (seen !== (RUNS + 2) * CHUNKS_PER_RUN * STANZAS_PER_CHUNK) throw new Error(`Only ${seen} stanzas were seen.`);
  const [fast, tree] = [median(scans), median(parses)];
  return [
    figure('stanza', Math.round(chunk.length / STANZAS_PER_CHUNK), 'bytes'),
    figure('scanner', Math.round(fast), 'ns/stanza'),
    figure('ltx tree', Math.round(tree), 'ns/stanza'),
    figure('ltx / scanner', tree / fast, 'ratio'),
  ];
}

function cpuOf(chunk: () => void): number {
  const before = process.cpuUsage();
  for (let n = 0; n < CHUNKS_PER_RUN; n++) chunk();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / (CHUNKS_PER_RUN * STANZAS_PER_CHUNK);
}
