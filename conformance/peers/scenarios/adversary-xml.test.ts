import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirePeers } from '../available.ts';
import { homeDomain, partnerDomain } from '../federation.ts';
import { streamHeader } from '../raw.ts';
import { dialback } from '../raw-partner.ts';
import { Siege } from '../siege.ts';

const header = streamHeader({ from: 'stranger.example', to: homeDomain });
const many = (count: number, write: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => write(n)).join('');
/** An element of exactly so many bytes. */
const sized = (bytes: number): string => `<x>${'y'.repeat(bytes - 7)}</x>`;
const bomb = `<!DOCTYPE b [<!ENTITY a0 'ha'>${many(20, (n) => `<!ENTITY a${n + 1} '&a${n};&a${n};'>`)}]>`;

interface Poison {
  readonly what: string;
  readonly bytes: string | Buffer;
  readonly condition: string;
  readonly reason: string;
}

/** In place of a header. */
const headers: readonly Poison[] = [
  {
    what: 'a header that never ends',
    bytes: `<stream:stream a='${'x'.repeat(20_000)}`,
    condition: 'policy-violation',
    reason: 'stanza-too-big',
  },
  {
    what: 'a name that never ends',
    bytes: `<${'x'.repeat(20_000)}`,
    condition: 'policy-violation',
    reason: 'stanza-too-big',
  },
  {
    what: 'white space that never ends',
    bytes: ' '.repeat(70_000),
    condition: 'policy-violation',
    reason: 'stanza-too-big',
  },
  {
    what: 'thousands of attributes',
    bytes: `<stream:stream ${many(1_000, (n) => `a${n}='' `)}`,
    condition: 'policy-violation',
    reason: 'xml-restricted',
  },
  {
    what: 'an entity bomb',
    bytes: `<?xml version='1.0'?>${bomb}${header}`,
    condition: 'restricted-xml',
    reason: 'xml-restricted',
  },
  {
    what: 'UTF-16',
    bytes: Buffer.from(`\ufeff${header}`, 'utf16le'),
    condition: 'unsupported-encoding',
    reason: 'xml-malformed',
  },
  { what: 'a byte order mark', bytes: `\ufeff${header}`, condition: 'unsupported-encoding', reason: 'xml-malformed' },
  { what: 'another protocol', bytes: 'GET / HTTP/1.1\r\n\r\n', condition: 'bad-format', reason: 'xml-malformed' },
  {
    what: 'a TLS ClientHello',
    bytes: Buffer.from('1603010200010001fc0303', 'hex'),
    condition: 'bad-format',
    reason: 'xml-malformed',
  },
  {
    what: 'a stream of clients',
    bytes: header.replace('jabber:server', 'jabber:client'),
    condition: 'invalid-namespace',
    reason: 'stream-protocol',
  },
  {
    what: 'a domain that is none',
    bytes: streamHeader({ from: 'a b', to: homeDomain }),
    condition: 'improper-addressing',
    reason: 'address-malformed',
  },
  {
    what: 'a domain of 3,000 letters',
    bytes: streamHeader({ from: 'x'.repeat(3_000), to: homeDomain }),
    condition: 'improper-addressing',
    reason: 'address-malformed',
  },
  {
    what: 'a header that stanzas would have to carry on',
    bytes: streamHeader({ from: 'x'.repeat(9_000), to: homeDomain }),
    condition: 'policy-violation',
    reason: 'stanza-too-big',
  },
  {
    what: 'a domain that is not ours',
    bytes: streamHeader({ from: 'stranger.example', to: 'other.example' }),
    condition: 'host-unknown',
    reason: 'domain-not-home',
  },
];

/** Behind the header, in clear. */
const elements: readonly Poison[] = [
  {
    what: 'an element of one byte too many',
    bytes: sized(10_001),
    condition: 'policy-violation',
    reason: 'stanza-too-big',
  },
  {
    what: 'an element that never ends',
    bytes: `<x>${'y'.repeat(20_000)}`,
    condition: 'policy-violation',
    reason: 'stanza-too-big',
  },
  {
    what: 'the largest element, which is nothing we know',
    bytes: `${sized(10_000).replace('<x>', '<x>')}`,
    condition: 'unsupported-stanza-type',
    reason: 'stanza-malformed',
  },
  { what: 'deep nesting', bytes: '<x>'.repeat(3_000), condition: 'policy-violation', reason: 'xml-restricted' },
  {
    what: 'thousands of attributes',
    bytes: `<x ${many(1_000, (n) => `a${n}='' `)}`,
    condition: 'policy-violation',
    reason: 'xml-restricted',
  },
  { what: 'a DOCTYPE', bytes: bomb, condition: 'restricted-xml', reason: 'xml-restricted' },
  { what: 'an entity of its own', bytes: '<x>&a20;</x>', condition: 'restricted-xml', reason: 'xml-restricted' },
  {
    what: 'an entity whose name never ends',
    bytes: `<x>&${'a'.repeat(5_000)}`,
    condition: 'restricted-xml',
    reason: 'xml-restricted',
  },
  { what: 'a comment', bytes: '<!-- x -->', condition: 'restricted-xml', reason: 'xml-restricted' },
  { what: 'a comment inside', bytes: '<x><!-- x --></x>', condition: 'restricted-xml', reason: 'xml-restricted' },
  {
    what: 'a processing instruction',
    bytes: '<x><?php x ?></x>',
    condition: 'restricted-xml',
    reason: 'xml-restricted',
  },
  {
    what: 'an overlong encoding',
    bytes: Buffer.from([...Buffer.from('<x>'), 0xc0, 0x80, ...Buffer.from('</x>')]),
    condition: 'unsupported-encoding',
    reason: 'xml-malformed',
  },
  {
    what: 'half a surrogate',
    bytes: Buffer.from([...Buffer.from("<x a='"), 0xed, 0xa0, 0x80, ...Buffer.from("'/>")]),
    condition: 'unsupported-encoding',
    reason: 'xml-malformed',
  },
  { what: 'a null character', bytes: '<x>\0</x>', condition: 'not-well-formed', reason: 'xml-malformed' },
  { what: 'a prefix nobody declared', bytes: '<s:x/>', condition: 'not-well-formed', reason: 'xml-malformed' },
  {
    what: 'an attribute that stands twice',
    bytes: "<x a='' a=''/>",
    condition: 'not-well-formed',
    reason: 'xml-malformed',
  },
  {
    what: 'a stanza before the proof',
    bytes: `<message from='a@${partnerDomain}' to='alice@${homeDomain}'/>`,
    condition: 'not-authorized',
    reason: 'stanza-before-proof',
  },
  {
    what: 'dialback before TLS',
    bytes: dialback('result', { from: partnerDomain, to: homeDomain }, 'key'),
    condition: 'policy-violation',
    reason: 'tls-unavailable',
  },
];

describe.runIf(requirePeers('prosody'))('Strangers who send poison', () => {
  let siege: Siege;

  beforeAll(async () => {
    siege = await Siege.start({ edge: 'limits: { attempts: 100000/min }' });
  });
  afterAll(() => siege?.close());

  describe.each([
    { where: 'in place of a header', poisons: headers },
    { where: 'behind the header', poisons: elements },
  ])('$where', ({ where, poisons }) => {
    it.each(poisons)('are sent away for $what', async ({ bytes, condition, reason }) => {
      await siege.withstand(async () => {
        const after = siege.gateway.log.mark();
        const stream = await siege.connect();
        if (where === 'behind the header') {
          await stream.write(header);
          await stream.read(/<\/stream:features>/);
        }
        await stream.write(bytes);
        expect(await stream.read(/<stream:error>.*<\/stream:stream>/s)).toMatch(
          new RegExp(`<stream:error><${condition} .*`),
        );
        await stream.closed;
        await siege.gateway.logged({ event: 'stream-refused', reason, condition }, after);
      });
    });
  });
});
