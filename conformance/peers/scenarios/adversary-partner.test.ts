import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { KeyPair } from '../authority.ts';
import { requirePeers } from '../available.ts';
import { homeDomain } from '../federation.ts';
import { dialback, type RawPartner } from '../raw-partner.ts';
import { Siege } from '../siege.ts';

const hostile = 'm.example';
const limited = 'n.example';
const policy = (partner: string, limits: string) => `partner: ${partner}
trust: { accept: [certificate] }
presence: [{ local: "*", show: full }]
messages: { allow: both, maxBytes: 512KiB }
${limits}`;
/** As the gateway's configuration has it where it says nothing: bytes. */
const largest = 524_288;

const many = (count: number, write: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => write(n)).join('');
const duck = '&#x1F986;';

/** Legal XML of a proven partner that some parser or server may yet stumble over. `from` and `to` when left out: from mallory to alice. */
const oddities: readonly { readonly what: string; readonly stanza: (alice: string) => string }[] = [
  ...[
    {
      what: 'as many attributes as may be, long and made of references',
      content: `<x ${many(64, (n) => `a${n}='${duck.repeat(100)}' `)}/>`,
    },
    { what: 'ten thousand children', content: many(10_000, (n) => `<x a='${n}'/>`) },
    { what: 'the deepest nesting', content: '<x>'.repeat(63) + '</x>'.repeat(63) },
    { what: 'sixty namespaces', content: `<p0:x ${many(60, (n) => `xmlns:p${n}='urn:n:${n}' `)} p1:a='' p2:a=''/>` },
    { what: 'a namespace of 100 KB', content: `<x xmlns='${'n'.repeat(100_000)}'/>` },
    { what: 'a name of 100 KB', content: `<${'n'.repeat(100_000)} xmlns='urn:x'/>` },
    { what: 'no namespace', content: "<x xmlns=''><y/></x>" },
    {
      what: 'the namespace of other streams',
      content:
        "<x xmlns='jabber:client'/><x xmlns='jabber:component:accept'/><handshake xmlns='jabber:component:accept'/>",
    },
    {
      what: 'a stream inside',
      content:
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/><stream:error xmlns:stream='http://etherx.jabber.org/streams'/>",
    },
    { what: 'its stream prefix bound to something else', content: "<stream:x xmlns:stream='urn:x'/>" },
    {
      what: 'a default namespace bound to the content of servers, deep inside',
      content: "<x xmlns='urn:x'><body xmlns='jabber:server'>x</body></x>",
    },
    {
      what: 'CDATA upon CDATA',
      content: `<body><![CDATA[</body></message></stream:stream>]]]]><![CDATA[>${'<![CDATA[&]]>'.slice(0, 9)}]]></body>`,
    },
    {
      what: 'characters on the edge of what is one',
      content:
        '<body>\ufffd\u{10ffff}\u0085\u2028\u202e\u200b\ud7ff\ue000&#13;&#10;&#9;&#xD7FF;&#x10FFFF;\u007f</body>',
    },
    { what: 'a thousand bodies', content: '<body>x</body>'.repeat(1_000) },
    {
      what: 'languages that are none',
      content: `<body xml:lang=''>x</body><body xml:lang='${'x'.repeat(10_000)}' xml:space='preserve'>y</body>`,
    },
    {
      what: 'a privilege that it has not',
      content: "<privilege xmlns='urn:xmpp:privilege:2'><perm access='message' type='outgoing'/></privilege>",
    },
    { what: 'an error, and yet none', content: "<error type='cancel'/>" },
  ].map(({ what, content }) => ({
    what,
    stanza: (alice: string) => `<message from='mallory@${hostile}/x' to='${alice}'>${content}</message>`,
  })),
  ...[
    { what: 'a sender in capitals', attributes: "from='mallory@M.EXAMPLE/x' to='ALICE'" },
    { what: 'a sender with a root dot', attributes: "from='mallory@m.example./x' to='ALICE'" },
    { what: 'a sender in full width', attributes: "from='mallory@ｍ.example/x' to='ALICE'" },
    { what: 'a sender that is the domain in capitals', attributes: "from='M.Example' to='ALICE'" },
    { what: 'a sender with a duck for a name', attributes: `from='${duck}@${hostile}/x' to='ALICE'` },
    { what: 'a sender with a resource like an address', attributes: `from='${hostile}/a@M.EXAMPLE/b' to='ALICE'` },
    { what: 'a sender whose name no server would take', attributes: `from='\u200b\u00ad@${hostile}' to='ALICE'` },
    { what: 'a sender whose name is a reserved character', attributes: `from='a&quot;b@${hostile}' to='ALICE'` },
    {
      what: 'a sender whose resource is of 1,023 ducks',
      attributes: `from='a@${hostile}/${'\u{1f986}'.repeat(255)}' to='ALICE'`,
    },
    { what: 'a receiver in capitals', attributes: `from='mallory@${hostile}' to='ALICE@${homeDomain.toUpperCase()}'` },
    { what: 'a receiver with a root dot', attributes: `from='mallory@${hostile}' to='alice@${homeDomain}.'` },
    { what: 'a receiver who is none', attributes: `from='mallory@${hostile}' to='\u{1f986}@${homeDomain}'` },
    {
      what: 'a receiver of the longest name',
      attributes: `from='mallory@${hostile}' to='${'x'.repeat(1_023)}@${homeDomain}/${'y'.repeat(1_023)}'`,
    },
    {
      what: 'an id of 400 KB',
      attributes: `from='mallory@${hostile}' to='nobody@${homeDomain}' id='${'i'.repeat(400_000)}'`,
    },
    {
      what: 'an id of quotes',
      attributes: `from='mallory@${hostile}' to='nobody@${homeDomain}' id='${'"'.repeat(200_000)}'`,
    },
    { what: 'a type of its own', attributes: `from='mallory@${hostile}' to='ALICE' type='${'t'.repeat(5_000)}'` },
    {
      what: 'attributes of other namespaces',
      attributes: `from='mallory@${hostile}' to='ALICE' xmlns:a='urn:a' a:from='x' a:to='y' xml:lang='de' xml:base='/'`,
    },
  ].flatMap(({ what, attributes }) =>
    (['message', 'presence', 'iq'] as const).map((name) => ({
      what: `${what}, as ${name}`,
      stanza: (alice: string) =>
        `<${name} ${attributes.replace("to='ALICE'", `to='${alice}'`)}${name === 'iq' && !attributes.includes(' id=') ? " id='1'" : ''}${name === 'iq' && !attributes.includes(' type=') ? " type='get'" : ''}><ping xmlns='urn:xmpp:ping'/></${name}>`,
    })),
  ),
];

describe.runIf(requirePeers('prosody'))('A proven partner that means harm', () => {
  let siege: Siege;
  const certificates = new Map<string, KeyPair>();
  let mark = 0;

  beforeAll(async () => {
    siege = await Siege.start({
      edge: 'limits: { attempts: 100000/min, perAddress: 1000 }',
      others: {
        [hostile]: policy(hostile, ''),
        [limited]: policy(
          limited,
          'limits: { messages: { rate: 20/s, burst: 50 }, presence: { rate: 20/s, burst: 50 }, iq: { rate: 20/s, burst: 50 }, subscriptions: { rate: 30/min } }',
        ),
      },
    });
    for (const domain of [hostile, limited])
      certificates.set(domain, await siege.federation.world.authority.issue({ domains: [domain] }));
    mark = siege.gateway.log.mark();
  });
  afterAll(() => siege?.close());

  const attack = (from = hostile, early = ''): Promise<RawPartner> =>
    siege.proven({ from, certificate: certificates.get(from) }, early);
  const message = (content: string, attributes = '', from = hostile) =>
    `<message from='mallory@${from}/x' to='${siege.alice.jid}' ${attributes}>${content}</message>`;
  const nobody = (n: number, id: string) =>
    `<message from='mallory@${hostile}/x' to='nobody${n}@${homeDomain}' type='chat' id='${id}'><body/></message>`;
  let said = 0;
  /** A message of the hostile partner arrives: its stream lives, and its link to the home server too. */
  const understood = async ({ stream }: RawPartner, from = hostile) => {
    said += 1;
    const words = `in order ${said}`;
    await stream.write(message(`<body>${words}</body>`, "type='chat'", from));
    await siege.alice.messages.next((received) => received.getChildText('body') === words);
  };
  const linkHeld = () => {
    expect(siege.gateway.lines({ event: 'home-lost' }, mark)).toEqual([]);
    expect(siege.federation.home.log.matching(/component.*(stream error|disconnected|closed)/i)).toEqual([]);
  };

  it('may send a stanza of the largest size, and none of a byte more', async () => {
    const padded = (bytes: number) => message(`<body>${'z'.repeat(bytes - message('<body></body>').length)}</body>`);
    await siege.withstand(async () => {
      const mallory = await attack();
      expect(Buffer.byteLength(padded(largest))).toBe(largest);
      await mallory.stream.write(padded(largest));
      const received = await siege.alice.messages.next((one) => (one.getChildText('body') ?? '').startsWith('zzz'));
      expect(received.getChildText('body')).toHaveLength(largest - message('<body></body>').length);
      await understood(mallory);
      await mallory.stream.write(padded(largest + 1));
      const answer = await mallory.stream.read(/<\/stream:stream>/);
      expect(answer).toMatch(/<stream:error><policy-violation [^>]*\/><stanza-too-big xmlns='urn:xmpp:errors'\/>/);
      await mallory.stream.closed;
    });
    linkHeld();
  });

  it('makes nobody stumble over what it may legally write', async () => {
    await siege.withstand(async () => {
      const mallory = await attack();
      mallory.stream.discard();
      for (const { what, stanza } of oddities) {
        await mallory.stream.write(stanza(siege.alice.jid));
        await understood(mallory).catch((cause) => {
          throw new Error(`the stream or the link broke behind ${what}`, { cause });
        });
      }
      siege.alice.messages.clear();
      siege.alice.presences.clear();
      await mallory.close();
    });
    linkHeld();
  });

  it('cannot make a stanza grow beyond the limit by what its stream header declares', async () => {
    await siege.withstand(async () => {
      const mallory = await siege.secured({ from: hostile, certificate: certificates.get(hostile) });
      await mallory.features();
      expect(await mallory.auth('=')).toContain('success');
      const declared = many(50, (n) => `xmlns:p${n}='urn:${String(n).repeat(100)}${'n'.repeat(8_000)}' `);
      await mallory.stream.write(
        `<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='${hostile}' to='${homeDomain}' version='1.0' ${declared}>`,
      );
      // What every stanza that uses these prefixes would have to repeat is refused before any does.
      expect(await mallory.stream.read(/<\/stream:stream>/)).toContain('<stream:error><policy-violation ');
      await mallory.stream.closed;
    });
    linkHeld();
  });

  it('does not fill memory by leaving its errors unread, and is read again when it reads', async () => {
    await siege.withstand(async () => {
      const mallory = await attack(hostile, "<bidi xmlns='urn:xmpp:bidi'/>");
      mallory.stream.pause();
      // Every one comes back with its id, until nothing more can be written.
      let stuffed = false;
      const flood = (async () => {
        for (let n = 0; !stuffed; n++) {
          await mallory.stream.write(many(100, (m) => nobody(m, `${n}-${'i'.repeat(2_000)}`)));
        }
      })();
      await queued('partners', (count) => count > 1_000);
      stuffed = true;
      await siege.talk();
      mallory.answerPings();
      mallory.stream.resume();
      await flood;
      await understood(mallory);
      await queued('partners', (count) => count === 0);
      await mallory.close();
    });
    linkHeld();
  });

  it('is sent away when it asks the stream itself and reads no answer', async () => {
    await siege.withstand(async () => {
      for (const ask of [
        (n: number) => dialback('verify', { from: hostile, to: homeDomain, id: `${n}-${'i'.repeat(500)}` }, 'key'),
        () => dialback('result', { from: hostile, to: homeDomain }, 'key'),
      ]) {
        const after = siege.gateway.log.mark();
        const mallory = await attack();
        mallory.stream.pause();
        const flood = (async () => {
          for (;;) await mallory.stream.write(many(2_000, ask));
        })();
        await expect(flood).rejects.toThrow();
        await siege.gateway.logged({ event: 'stream-refused', reason: 'stream-protocol', partner: hostile }, after);
        await mallory.close();
      }
    });
    linkHeld();
  });

  it('gets one answer to one claim, however often it is made', async () => {
    await siege.withstand(async () => {
      const after = siege.gateway.log.mark();
      const mallory = await attack();
      const claims = 5_000;
      await mallory.stream.write(dialback('result', { from: hostile, to: homeDomain }, 'key').repeat(claims));
      for (let n = 0; n < claims; n++) await mallory.stream.read(/<db:result[^>]*type='valid'[^>]*>/);
      expect(siege.gateway.lines({ event: 'stream-proven', partner: hostile }, after).length).toBeLessThan(3);
      await understood(mallory);
      await mallory.stream.write(
        many(100, (n) => dialback('result', { from: `n${n}.example`, to: homeDomain }, 'key')),
      );
      const answers = await mallory.stream.read(/<\/stream:stream>/);
      expect(answers.match(/type='error'/g)?.length).toBeLessThan(10);
      expect(answers).toContain('<stream:error><policy-violation ');
    });
  });

  it.each(['message', 'presence', 'iq'] as const)(
    'that floods with %s beyond its limits harms nobody',
    async (name) => {
      await siege.withstand(async () => {
        const after = siege.gateway.log.mark();
        const mallory = await attack(limited);
        mallory.stream.discard();
        const one = (n: number) =>
          `<${name} from='mallory${n}@${limited}/x' to='${siege.alice.jid}' id='${n}' ${name === 'iq' ? "type='get'" : ''}><ping xmlns='urn:xmpp:ping'/></${name}>`;
        for (let n = 0; n < 10; n++) await mallory.stream.write(many(2_000, one));
        const reason = { message: 'rate-messages', presence: 'rate-presence', iq: 'rate-iq' }[name];
        await siege.gateway.logged({ event: 'stanza-refused', reason, partner: limited }, after);
        siege.alice.messages.clear();
        siege.alice.presences.clear();
        await mallory.close();
      });
      linkHeld();
    },
  );

  it('that floods without a limit delays nobody else for long', async () => {
    await siege.withstand(async () => {
      const mallory = await attack();
      mallory.stream.discard();
      for (let n = 0; n < 20; n++) await mallory.stream.write(many(1_000, (m) => nobody(m, `${n}-${m}`)));
      await understood(mallory);
      await mallory.close();
    });
    linkHeld();
  });

  /** Resolves when so many stanzas wait to be taken by partners. */
  async function queued(side: 'partners' | 'home', enough: (count: number) => boolean): Promise<void> {
    await vi.waitFor(async () => expect(await siege.queued(side)).toSatisfy(enough), { timeout: 30_000, interval: 50 });
  }
});
