import { type KeyPair, TestAuthority } from './authority.ts';
import { homeDomain } from './federation.ts';
import type { RawStream } from './raw.ts';

/** What a hostile server is given: its keys, the authority that made them, and a server it may point to. */
export interface Means {
  readonly domain: string;
  readonly keys: KeyPair;
  readonly authority: TestAuthority;
  readonly elsewhere: { readonly address: string; readonly port: number };
}

export type Serve = (stream: RawStream, means: Means) => Promise<void>;

export interface HostileServer {
  readonly what: string;
  /** Why the gateway gives it up, in its log. */
  readonly reason: string;
  readonly serve: Serve;
}

const header =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' " +
  "xmlns:db='jabber:server:dialback' id='hostile' version='1.0'>";
const features = (content: string) => `<stream:features>${content}</stream:features>`;
const starttls = features("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>");
const proceed = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const noTls = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const external = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>";
const dialback = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";
const success = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
const failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>";
const openingTag = /<stream:stream[^>]*>/;
/** Stream management (XEP-0198), as a feature. */
export const management = "<sm xmlns='urn:xmpp:sm:3'/>";

/** Speaks up to the other side's `<starttls/>`. */
async function clear(stream: RawStream): Promise<void> {
  await stream.read(openingTag);
  await stream.write(header + starttls);
  await stream.read(/<starttls[^>]*>/);
}

/** Speaks up to the end of the handshake. */
async function encrypted(stream: RawStream, { certificatePem, keyPem }: KeyPair): Promise<void> {
  await clear(stream);
  await stream.write(proceed);
  await stream.acceptTls({ cert: certificatePem, key: keyPem });
}

/** Speaks up to our features behind TLS. */
async function secured(stream: RawStream, keys: KeyPair, offer: string): Promise<void> {
  await encrypted(stream, keys);
  await stream.read(openingTag);
  await stream.write(header + features(offer));
}

/** Speaks up to the point where stanzas flow, as a server in good faith does. */
export async function established(stream: RawStream, keys: KeyPair, offer = ''): Promise<void> {
  await secured(stream, keys, external);
  await stream.read(/<auth.*<\/auth>/s);
  await stream.write(success);
  await stream.read(openingTag);
  await stream.write(header + features(offer));
  if (offer !== management) return;
  await stream.read(/<enable[^>]*>/);
  await stream.write("<enabled xmlns='urn:xmpp:sm:3'/>");
}

/** Writes the same for ever: rejects when the connection is gone. */
export async function flood(stream: RawStream, bytes: string): Promise<never> {
  const block = bytes.repeat(Math.ceil(100_000 / bytes.length));
  for (;;) await stream.write(block);
}

const silence: Serve = (stream) => stream.closed;
const say =
  (text: string, then: Serve = silence): Serve =>
  async (stream, means) => {
    await stream.write(text);
    await then(stream, means);
  };
const repeat =
  (text: string): Serve =>
  (stream) =>
    flood(stream, text);
const hangUp: Serve = async (stream) => stream.reset();
const hear =
  (pattern: RegExp, then: Serve): Serve =>
  async (stream, means) => {
    await stream.read(pattern);
    await then(stream, means);
  };
const asked = (then: Serve): Serve => hear(openingTag, say(header, then));
const askedForTls =
  (then: Serve): Serve =>
  async (stream, means) => {
    await clear(stream);
    await then(stream, means);
  };
const behindTls =
  (offer: string, then: Serve): Serve =>
  async (stream, means) => {
    await secured(stream, means.keys, offer);
    await then(stream, means);
  };
const proving = (offer: string, then: Serve): Serve => behindTls(offer, hear(/<\/auth>/, then));
const claiming = (then: Serve): Serve => behindTls(dialback, hear(/<\/db:result>/, then));
const answer = (domain: string, type: string, content = '') =>
  `<db:result from='${domain}' to='${homeDomain}' type='${type}'>${content}</db:result>`;
const streamError = (condition: string, content = '') =>
  `<stream:error><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'>${content}</${condition}></stream:error>` +
  '</stream:stream>';

/** Every condition of RFC 6120 §4.9.3, and one that is none. */
const conditions =
  'bad-format bad-namespace-prefix conflict connection-timeout host-gone host-unknown improper-addressing ' +
  'internal-server-error invalid-from invalid-namespace invalid-xml not-authorized not-well-formed policy-violation ' +
  'remote-connection-failed reset resource-constraint restricted-xml system-shutdown undefined-condition ' +
  'unsupported-encoding unsupported-feature unsupported-stanza-type unsupported-version no-such-condition';

const inClear: readonly (readonly [what: string, reason: string, serve: Serve])[] = [
  ['say nothing', 'stream-timeout', silence],
  ['hang up on the header', 'stream-error', hear(openingTag, hangUp)],
  ['send white space for ever', 'stanza-too-big', repeat(' ')],
  ['send a header that never ends', 'stanza-too-big', say(`${header.slice(0, -1)} x='`, repeat('x'))],
  ['send elements before a header', 'stream-protocol', repeat('<message>')],
  ['send an entity bomb', 'xml-restricted', say("<!DOCTYPE x [<!ENTITY a 'b'>]>")],
  ['give no id', 'stream-protocol', say(header.replace(/ id='[^']*'/, '') + starttls)],
  ['open a stream for clients', 'stream-protocol', say(header.replace('jabber:server', 'jabber:client'))],
  ['offer nothing', 'stream-timeout', asked(silence)],
  ['hang up behind the header', 'stream-error', asked(hangUp)],
  ['close the stream behind the header', 'stream-error', asked(say('</stream:stream>'))],
  ['offer without an end', 'stanza-too-big', asked(say('<stream:features>', repeat('<x/>')))],
  ['send elements in place of an offer', 'stream-protocol', asked(repeat("<x xmlns='urn:x'/>"))],
  ['send stanzas in place of an offer', 'stanza-before-proof', asked(repeat('<message/>'))],
  ['offer again and again', 'stream-protocol', asked(repeat(starttls))],
  ['ask for acknowledgements in clear', 'stream-protocol', asked(repeat("<r xmlns='urn:xmpp:sm:3'/>"))],
  ['refuse TLS', 'tls-unavailable', askedForTls(say(noTls))],
  ['do not offer TLS', 'tls-unavailable', asked(say(features(dialback), hear(/<starttls[^>]*>/, say(noTls))))],
  ['put features in clear behind TLS', 'starttls-injection', askedForTls(say(proceed + header + features(external)))],
  ['put white space in clear behind TLS', 'starttls-injection', askedForTls(say(`${proceed} `))],
  ['proceed in clear', 'tls-failed', askedForTls(say(proceed, hear(/./s, say(header + features(external)))))],
  ['proceed to silence', 'tls-failed', askedForTls(say(proceed))],
  ['hang up on the handshake', 'tls-failed', askedForTls(say(proceed, hear(/./s, hangUp)))],
];

const overTls: readonly (readonly [what: string, reason: string, serve: Serve])[] = [
  ['say nothing behind TLS', 'stream-timeout', (stream, { keys }) => encrypted(stream, keys)],
  ['accept no proof', 'stream-timeout', behindTls('', silence)],
  ['answer the proof with nonsense', 'stream-protocol', proving(external, say("<x xmlns='urn:x'/>"))],
  ['hang up on the proof', 'stream-error', proving(external, hangUp)],
  [
    'refuse the proof and disown the key',
    'dialback-invalid',
    proving(
      external + dialback,
      say(
        failure,
        hear(/<\/db:result>/, (stream, { domain }) => stream.write(answer(domain, 'invalid'))),
      ),
    ),
  ],
  [
    'answer what nobody asked',
    'stream-timeout',
    claiming((stream) =>
      stream.write(Array.from({ length: 500 }, (_, n) => answer(`n${n}.example`, 'valid')).join('')),
    ),
  ],
  [
    'answer with an error that is hard to read',
    'dialback-unreachable',
    claiming((stream, { domain }) =>
      stream.write(answer(domain, 'error', `<error><![CDATA[${'<a'.repeat(200_000)}]]></error>`)),
    ),
  ],
  [
    'show a certificate of somebody else',
    'certificate-wrong-name',
    async (stream, { authority }) => secured(stream, await authority.issue({ domains: ['other.example'] }), external),
  ],
  [
    'show a chain without an end',
    'certificate-bad-chain',
    async (stream, { domain }) => {
      let authority = await TestAuthority.create();
      for (let n = 0; n < 30; n++) authority = await authority.intermediate(`Authority ${n}`);
      await secured(stream, await authority.issue({ domains: [domain] }), external);
    },
  ],
];

const redirect: Serve = (stream, { elsewhere }) =>
  stream.write(streamError('see-other-host', `${elsewhere.address}:${elsewhere.port}`));

/** Each breaks off the negotiation in its own way. */
export const hostileServers: readonly HostileServer[] = [
  ...inClear,
  ...overTls,
  ...conditions
    .split(' ')
    .map(
      (condition) => [`end the stream with ${condition}`, 'stream-error', asked(say(streamError(condition)))] as const,
    ),
  ['redirect in clear', 'stream-error', asked(redirect)] as const,
  ['redirect behind TLS', 'stream-error', behindTls(external, redirect)] as const,
].map(([what, reason, serve]) => ({ what, reason, serve }));
