import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { trustFromPem } from '../../pki/trust.ts';
import { Fault } from '../../policies/fault.ts';
import type { Evidence } from '../bridge/ports.ts';
import { DialbackInitiator } from './dialback-initiator.ts';
import { DialbackKeys } from './dialback-key.ts';
import { DialbackReceiver } from './dialback-receiver.ts';
import type { EdgeContext } from './edge-context.ts';
import { CertificateProof } from './evidence/certificate.ts';
import type { DialbackOutcome } from './evidence/dialback.ts';
import { ns } from './namespaces.ts';
import { OwnCertificates } from './own-certificates.ts';
import { VolatileStreamSessions } from './stream-sessions.ts';
import { edgeOptions } from './testing/edge.fixture.ts';
import { connected, type RawPeer } from './testing/raw-peer.fixture.ts';
import { RecordingHost, RecordingJournal } from './testing/recording.fixture.ts';
import { Watch } from './testing/watch.fixture.ts';
import { XmlStream } from './xml-stream.ts';

const home = 'h.example';
const partner = 'p.example';
const opening = `<?xml version='1.0'?><stream:stream xmlns='${ns.server}' xmlns:stream='${ns.streams}' xmlns:db='${ns.dialback}' id='their-id' version='1.0'>`;

function contextOf(host: RecordingHost, journal: RecordingJournal): EdgeContext {
  return {
    host,
    journal,
    options: edgeOptions,
    certificates: new OwnCertificates([], { minVersion: 'TLSv1.2' }),
    proof: new CertificateProof(trustFromPem([]), Date.now),
    keys: new DialbackKeys('secret'),
    streamSessions: new VolatileStreamSessions(),
  };
}

/** A stream whose dialback elements go to what is tested; the far end is the test's. */
async function streamFor(take: (element: Parameters<DialbackReceiver['element']>[0]) => void) {
  const { near, far } = await connected();
  const xml = new XmlStream(
    near,
    { contentNamespace: ns.server, limits: edgeOptions.scanner },
    { header: () => {}, element: take, drain: () => {}, closed: () => {} },
  );
  xml.sendHeader({ from: home, id: 'our-id', version: '1.0' });
  await far.read(/<stream:stream [^>]*>/);
  far.write(opening);
  return { xml, far };
}

const errorIn = (text: string): string => /<error type='cancel'><([a-z-]+) /.exec(text)?.[1] ?? '';

describe('Dialback', () => {
  let host: RecordingHost;
  let journal: RecordingJournal;
  let xml: XmlStream;
  let far: RawPeer;

  beforeEach(() => {
    host = new RecordingHost([home, 'h2.example'], ['dialback']);
    journal = new RecordingJournal(host.watch);
  });
  afterEach(() => {
    xml.destroy();
    far.socket.destroy();
  });

  describe('as initiating and receiving server on a stream of ours', () => {
    let initiator: DialbackInitiator;

    beforeEach(async () => {
      ({ xml, far } = await streamFor((element) => initiator.element(element)));
      initiator = new DialbackInitiator(contextOf(host, journal), xml, () => 'their-id');
    });
    afterEach(() => initiator.close(new Fault('shutting-down')));

    it('claims a domain with the key for the id of the stream, and believes the answer', async () => {
      const authorized = initiator.authorize(home, partner, 10_000);
      const key = new DialbackKeys('secret').key(partner, home, 'their-id');
      expect(await far.read(/<\/db:result>/)).toBe(`<db:result from='${home}' to='${partner}'>${key}</db:result>`);
      far.write(`<db:result from='${partner}' to='${home}' type='valid'/>`);
      await expect(authorized).resolves.toBeUndefined();
    });

    it.each([
      ["type='invalid'/>", 'dialback-invalid', /not ours/],
      ["type='error'/>", 'dialback-unreachable', /error/],
      [
        `type='error'><error type='cancel'><item-not-found xmlns='${ns.stanzaErrors}'/></error></db:result>`,
        'dialback-unreachable',
        /item-not-found/,
      ],
      ["type='odd'/>", 'dialback-unreachable', /odd/],
    ])('is refused by %s', async (rest, code, message) => {
      const authorized = initiator.authorize(home, partner, 10_000);
      await far.read(/<\/db:result>/);
      far.write(`<db:result from='${partner}' to='${home}' ${rest}`);
      await expect(authorized).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    });

    it.each([
      ["type='valid'/>", 'valid'],
      ["type='invalid'/>", 'invalid'],
      [
        `type='error'><error type='cancel'><item-not-found xmlns='${ns.stanzaErrors}'/></error></db:verify>`,
        'remote-not-found',
      ],
      [
        `type='error'><error type='cancel'><remote-server-timeout xmlns='${ns.stanzaErrors}'/></error></db:verify>`,
        'dialback-unreachable',
      ],
    ])('asks about a key, and hears %s', async (rest, outcome) => {
      const verified = initiator.verify(home, partner, 'id<1>', 'k&y', 10_000);
      expect(await far.read(/<\/db:verify>/)).toBe(
        `<db:verify from='${home}' to='${partner}' id='id&lt;1&gt;'>k&amp;y</db:verify>`,
      );
      far.write(`<db:verify from='${partner}' to='${home}' id='id&lt;1>' ${rest}`);
      expect(await verified).toBe(outcome);
    });

    it('counts no answer but that to the very question, and none twice', async () => {
      let settled = '';
      const authorized = initiator.authorize(home, partner, 10_000).then(() => (settled += 'authorized'));
      const verified = initiator.verify(home, partner, 'one', 'key', 10_000);
      await far.read(/<\/db:verify>/);
      for (const stray of [
        `<db:result from='${home}' to='${partner}' type='valid'/>`,
        `<db:result from='q.example' to='${home}' type='valid'/>`,
        `<db:result from='${partner}' to='h2.example' type='valid'/>`,
        `<db:result from='${partner}' to='${home}'>key</db:result>`,
        `<db:verify from='${partner}' to='${home}' id='two' type='valid'/>`,
        `<db:verify from='${partner}' to='${home}' type='valid'/>`,
        `<db:other from='${partner}' to='${home}' type='valid'/>`,
      ]) {
        far.write(stray);
      }
      await journal.seen({ event: 'dialback-refused', reason: 'dialback-unsolicited' }, 7);
      expect(settled).toBe('');
      far.write(
        `<db:verify from='${partner}' to='${home}' id='one' type='invalid'/><db:verify from='${partner}' to='${home}' id='one' type='valid'/>`,
      );
      expect(await verified).toBe('invalid');
      await journal.seen({ event: 'dialback-refused', reason: 'dialback-unsolicited' }, 8);
      far.write(`<db:result from='P.Example' to='${home}' type='valid'/>`);
      await authorized;
      expect(settled).toBe('authorized');
    });

    it('asks one question about a pair at a time, and no more than 64 in all', async () => {
      const waiting = Array.from({ length: 64 }, (_, n) => initiator.verify(home, partner, String(n), 'key', 10_000));
      expect(await initiator.verify(home, partner, '64', 'key', 10_000)).toBe('dialback-unreachable');
      await expect(initiator.authorize(home, partner, 10_000)).rejects.toMatchObject({ code: 'connections-full' });
      far.write(`<db:verify from='${partner}' to='${home}' id='0' type='valid'/>`);
      expect(await waiting[0]).toBe('valid');
      const claim = initiator.authorize(home, partner, 10_000);
      await expect(initiator.authorize(home, partner, 10_000)).rejects.toMatchObject({ code: 'connections-full' });
      far.write(`<db:result from='${partner}' to='${home}' type='valid'/>`);
      await claim;
    });

    it('waits no longer than it is told, and not behind the end of the stream', async () => {
      await expect(initiator.authorize(home, partner, 1)).rejects.toMatchObject({ code: 'stream-timeout' });
      const waiting = initiator.authorize(home, partner, 10_000);
      initiator.close(new Fault('stream-error'));
      await expect(waiting).rejects.toMatchObject({ code: 'stream-error' });
      await expect(initiator.authorize(home, partner, 10_000)).rejects.toMatchObject({ code: 'stream-error' });
      expect(await initiator.verify(home, partner, 'one', 'key', 10_000)).toBe('dialback-unreachable');
    });
  });

  describe('as receiving and authoritative server on a stream of theirs', () => {
    const proven = new Map<string, readonly Evidence[]>();
    const asked: { home: string; partner: string; streamId: string; key: string }[] = [];
    const told: string[] = [];
    const watch = new Watch();
    let admits: boolean;
    let answer: (outcome: DialbackOutcome) => void;
    let closed: boolean;
    let receiver: DialbackReceiver;
    let fault: unknown;

    beforeEach(async () => {
      proven.clear();
      asked.length = 0;
      told.length = 0;
      admits = true;
      closed = false;
      fault = undefined;
      ({ xml, far } = await streamFor((element) => {
        try {
          receiver.element(element);
        } catch (error) {
          fault = error;
          watch.changed();
        }
      }));
      const stream = {
        xml,
        id: 'our-id',
        proven: {
          get size() {
            return proven.size;
          },
          certificateFor: (domain: string): Evidence => ({
            proof: 'certificate',
            domain,
            holds: domain === 'certified.example',
            reason: domain === 'certified.example' ? 'allowed' : 'certificate-untrusted',
            detail: '',
          }),
        },
        facts: () => ({ partner }),
        close: () => {
          closed = true;
        },
      };
      receiver = new DialbackReceiver(contextOf(host, journal), stream, {
        verify: (home, partner, streamId, key) =>
          new Promise((resolve) => {
            asked.push({ home, partner, streamId, key });
            answer = resolve;
            watch.changed();
          }),
        prove: (_home, partner, evidence) => {
          if (admits) proven.set(partner, evidence);
          return admits;
        },
        told: (home, partner) => told.push(`${home} ${partner}`),
      });
    });
    const claim = (from = partner, to = home, key = 'key'): void =>
      far.write(`<db:result from='${from}' to='${to}'>${key}</db:result>`);
    const question = (count = 1) => watch.until(() => asked[count - 1]);
    const reply = (): Promise<string> => far.read(/<db:(result|verify) [^>]*(\/>|>.*?<\/db:(result|verify)>)/);

    it('lets the authoritative server say, and tells the peer before anything follows', async () => {
      claim('P.Example', 'H.example', ' k&amp;y ');
      expect(await question()).toEqual({ home, partner, streamId: 'our-id', key: 'k&y' });
      expect(proven.size).toBe(0);
      answer('valid');
      expect(await reply()).toBe(`<db:result from='H.example' to='P.Example' type='valid'/>`);
      expect(proven.get(partner)?.map(({ proof, holds }) => [proof, holds])).toEqual([
        ['certificate', false],
        ['dialback', true],
      ]);
      expect(told).toEqual([`${home} ${partner}`]);
    });

    it('asks nobody where the certificate suffices (XEP-0344)', async () => {
      host.accepts.set('*', ['certificate', 'dialback']);
      claim('certified.example');
      expect(await reply()).toContain("type='valid'");
      expect(asked).toEqual([]);
      expect([...proven.keys()]).toEqual(['certified.example']);
    });

    it.each([
      [
        'a domain that is not ours',
        ['p.example', 'stranger.example'],
        ['dialback'],
        'item-not-found',
        'domain-not-home',
      ],
      ['a partner we do not have', ['p.example', home], [], 'not-authorized', 'no-partner'],
      [
        'a partner who must show a certificate',
        ['p.example', home],
        ['certificate'],
        'not-authorized',
        'certificate-untrusted',
      ],
      [
        'a partner whose good certificate is not what is demanded',
        ['certified.example', home],
        ['dane'],
        'not-authorized',
        'trust-insufficient',
      ],
    ] as const)('refuses %s without asking', async (_, [from, to], accepts, condition, reason) => {
      host.accepts.set('*', accepts);
      claim(from, to);
      const text = await reply();
      expect([text.includes("type='error'"), errorIn(text)]).toEqual([true, condition]);
      expect(journal.of({ event: 'dialback-refused', reason })).toHaveLength(1);
      expect(asked).toEqual([]);
    });

    it.each([
      ['remote-unreachable', 'remote-connection-failed'],
      ['remote-not-found', 'remote-server-not-found'],
      ['dns-not-found', 'remote-server-not-found'],
      ['dialback-unreachable', 'remote-server-timeout'],
      ['connections-full', 'resource-constraint'],
      ['tls-failed', 'remote-server-timeout'],
    ] as const)('answers %s with %s', async (outcome, condition) => {
      claim();
      await question();
      answer(outcome);
      expect(errorIn(await reply())).toBe(condition);
      expect(proven.size).toBe(0);
      expect(journal.of({ event: 'dialback-refused', reason: outcome })).toHaveLength(1);
      expect(closed).toBe(false);
    });

    it('closes over an invalid key where nothing else is proven, and says forbidden where something is', async () => {
      claim();
      await question();
      answer('invalid');
      expect(await reply()).toBe(`<db:result from='${home}' to='${partner}' type='invalid'/>`);
      expect(closed).toBe(true);
      proven.set('other.example', []);
      claim();
      await question(2);
      answer('invalid');
      expect(errorIn(await reply())).toBe('forbidden');
    });

    it('asks for another connection where a further domain has no room on this one', async () => {
      proven.set('other.example', []);
      admits = false;
      claim();
      await question();
      answer('valid');
      expect(errorIn(await reply())).toBe('resource-constraint');
      expect(told).toEqual([]);
    });

    it('judges by the policy of the moment the answer comes', async () => {
      claim();
      await question();
      host.accepts.set('*', ['certificate']);
      answer('valid');
      expect(await reply()).toContain("type='error'");
      expect(proven.size).toBe(0);
    });

    it('asks about a pair once at a time and about 16 at once, and ends who is refused five times', async () => {
      for (let n = 0; n < 16; n++) claim(`p${n}.example`);
      await question(16);
      claim('p0.example');
      expect(errorIn(await reply())).toBe('resource-constraint');
      for (let n = 16; n < 20; n++) claim(`p${n}.example`);
      expect(await watch.until(() => fault)).toMatchObject({ condition: 'policy-violation', code: 'connections-full' });
      expect(asked).toHaveLength(16);
    });

    it('says nothing on a stream that has ended meanwhile', async () => {
      claim();
      await question();
      receiver.close();
      answer('valid');
      await Promise.resolve();
      expect(proven.size).toBe(0);
      expect(told).toEqual([]);
    });

    it('confirms the keys it made, and no other', async () => {
      const key = new DialbackKeys('secret').key(partner, home, 'their-id');
      for (const [from, to, id, text, type] of [
        [partner, home, 'their-id', key, 'valid'],
        [partner, home, 'other-id', key, 'invalid'],
        ['q.example', home, 'their-id', key, 'invalid'],
        [partner, 'h2.example', 'their-id', key, 'invalid'],
        [partner, home, 'their-id', '', 'invalid'],
      ] as const) {
        far.write(`<db:verify from='${from}' to='${to}' id='${id}'>${text}</db:verify>`);
        expect(await reply()).toBe(`<db:verify from='${to}' to='${from}' id='${id}' type='${type}'/>`);
      }
      far.write(`<db:verify from='${partner}' to='stranger.example' id='their-id'>${key}</db:verify>`);
      expect(errorIn(await reply())).toBe('item-not-found');
    });

    it('answers a stream that proves nothing two hundred times', async () => {
      for (let n = 0; n < 201; n++) far.write(`<db:verify from='${partner}' to='${home}' id='${n}'>key</db:verify>`);
      expect(await watch.until(() => fault)).toMatchObject({ condition: 'policy-violation' });
      await far.read(/id='199' type='invalid'\/>/);
      expect(far.text).not.toContain("id='200'");
    });

    it('takes no answers: it asks nothing here', async () => {
      for (const stray of [
        `<db:result from='${partner}' to='${home}' type='valid'/>`,
        `<db:verify from='${partner}' to='${home}' id='their-id' type='valid'/>`,
      ]) {
        far.write(stray);
      }
      await journal.seen({ event: 'dialback-refused', reason: 'dialback-unsolicited' }, 2);
      expect([proven.size, fault]).toEqual([0, undefined]);
    });

    it.each([
      ['no sender', `<db:result to='${home}'>key</db:result>`, 'improper-addressing'],
      ['no receiver', `<db:verify from='${partner}' id='1'>key</db:verify>`, 'improper-addressing'],
      ['no domain for a sender', `<db:result from='a..b' to='${home}'>key</db:result>`, 'improper-addressing'],
      ['an unknown element', `<db:other from='${partner}' to='${home}'/>`, 'unsupported-stanza-type'],
    ])('ends the stream over %s', async (_, text, condition) => {
      far.write(text);
      expect(await watch.until(() => fault)).toMatchObject({ condition });
    });
  });
});
