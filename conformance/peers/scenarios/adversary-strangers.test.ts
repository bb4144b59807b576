import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { requirePeers } from '../available.ts';
import { publishXmpp } from '../dns.ts';
import { homeDomain, partnerDomain } from '../federation.ts';
import { type RawStream, streamHeader } from '../raw.ts';
import { RawListener } from '../raw-listener.ts';
import { dialback } from '../raw-partner.ts';
import { Siege } from '../siege.ts';

const starttls = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const header = streamHeader({ from: 'stranger.example', to: homeDomain });
const many = (count: number, write: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => write(n)).join('');
/** An element of exactly so many bytes. */
const sized = (bytes: number): string => `<x>${'y'.repeat(bytes - 7)}</x>`;

/** Partners proven by dialback: the server of one answers nobody. */
const deaf = 'deaf.example';
const hearing = 'hearing.example';

describe.runIf(requirePeers('prosody'))('Strangers at the gate', () => {
  let siege: Siege;

  beforeAll(async () => {
    const policy = (partner: string) => `partner: ${partner}\ntrust: { accept: [dialback] }\n`;
    siege = await Siege.start({
      edge: 'limits: { authTimeout: 2s, perAddress: 1000, attempts: 100000/min }',
      others: { [deaf]: policy(deaf), [hearing]: policy(hearing) },
    });
  });
  afterAll(() => siege?.close());

  it('cannot fill memory with what they repeat', async () => {
    const floods = [
      ' ',
      `${sized(9_000)}`,
      '<x/>',
      `<iq>${'<x/>'.repeat(2_000)}</iq>`,
      "<starttls xmlns='urn:x'/>",
      '<s:x xmlns:s="urn:x"/>',
    ];
    await siege.withstand(async () => {
      const flood = async (what: string): Promise<void> => {
        const stream = await siege.connect();
        const bytes = Buffer.from(what.repeat(Math.ceil(1_000_000 / what.length)));
        await stream.write(header);
        for (let n = 0; n < 20; n++) await stream.write(bytes).catch(() => {}); // cut off: that is the point
        await stream.closed;
      };
      await Promise.all(floods.flatMap((what) => [flood(what), flood(what), flood(what)]));
    });
  });

  it('are sent away when they put bytes behind STARTTLS', async () => {
    const injected = ['<x/>', ' ', '</stream:stream>', header, '\0'];
    await siege.withstand(async () => {
      for (const bytes of injected) {
        const after = siege.gateway.log.mark();
        const { stream } = await siege.clear({ from: partnerDomain });
        await stream.write(starttls + bytes);
        const answer = await stream.read(/<\/stream:stream>/);
        expect(answer).toContain('<stream:error><policy-violation ');
        expect(answer).not.toContain('proceed');
        await stream.closed;
        await siege.gateway.logged({ event: 'stream-refused', reason: 'starttls-injection' }, after);
      }
    });
  });

  it('may hang up at every stage', async () => {
    const clear = () => siege.clear({ from: partnerDomain });
    const tls = () => siege.secured({ from: partnerDomain });
    const stages: readonly (() => Promise<RawStream>)[] = [
      () => siege.connect(),
      () => siege.connect('directTls'),
      async () => (await clear()).stream,
      () => write(siege.connect(), header.slice(0, 40)),
      () => write(stream(clear()), starttls),
      async () => {
        const opened = await write(stream(clear()), starttls);
        await opened.read(/<proceed[^>]*>/);
        return opened;
      },
      // Half a ClientHello.
      async () => {
        const opened = await write(stream(clear()), starttls);
        await opened.read(/<proceed[^>]*>/);
        await opened.write(Buffer.from('16030102000100', 'hex'));
        return opened;
      },
      () => write(siege.connect('directTls'), Buffer.from('16030102000100', 'hex')),
      () => write(siege.connect('directTls'), 'no TLS at all, and long enough to be sure of that'),
      () => stream(tls()),
      () => write(stream(tls()), "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mech"),
      () => write(stream(tls()), "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"),
      () => write(stream(tls()), dialback('result', { from: partnerDomain, to: homeDomain }, 'key')),
      () => write(stream(tls()), '</stream:stream>'),
    ];
    const partings = [
      (one: RawStream) => one.end(),
      (one: RawStream) => void one.close(),
      (one: RawStream) => one.reset(),
    ];
    await siege.withstand(async () => {
      for (const stage of stages) {
        for (const part of partings) {
          const opened = await stage();
          part(opened);
          await opened.closed;
        }
      }
    });
  });

  it('may be slow, or silent, at every stage, by the hundred', async () => {
    const trickle = (one: RawStream, bytes: Buffer) => {
      let at = 0;
      const timer = setInterval(() => {
        one.write(bytes.subarray(at % bytes.length, (at++ % bytes.length) + 1)).catch(() => {});
      }, 100);
      return one.closed.finally(() => clearInterval(timer));
    };
    const tcp = () => siege.connect();
    const halfTls = async () => {
      const opened = await write(stream(siege.clear({ from: partnerDomain })), starttls);
      await opened.read(/<proceed[^>]*>/);
      await opened.write(Buffer.from('16030102000100', 'hex'));
      return opened;
    };
    const crowds: readonly (() => Promise<void>)[] = [
      ...Array.from({ length: 150 }, () => async () => (await tcp()).closed),
      ...Array.from({ length: 150 }, () => async () => trickle(await tcp(), Buffer.from(header))),
      ...Array.from({ length: 50 }, () => async () => trickle(await tcp(), Buffer.from(' '))),
      ...Array.from(
        { length: 50 },
        () => async () => (await write(siege.connect('directTls'), Buffer.from('1603', 'hex'))).closed,
      ),
      ...Array.from({ length: 50 }, () => async () => (await halfTls()).closed),
      ...Array.from({ length: 50 }, () => async () => (await stream(siege.clear({ from: partnerDomain }))).closed),
      ...Array.from({ length: 20 }, () => async () => (await stream(siege.secured({ from: partnerDomain }))).closed),
      ...Array.from({ length: 20 }, () => async () => {
        const secured = await stream(siege.secured({ from: partnerDomain }));
        await trickle(secured, Buffer.from(header));
      }),
    ];
    await siege.withstand(async () => {
      await Promise.all(crowds.map((one) => one()));
    });
  });

  it('get answers to no more dialback questions than a server in good faith asks', async () => {
    await siege.withstand(async () => {
      const after = siege.gateway.log.mark();
      for (const ask of [
        (n: number) => dialback('verify', { from: partnerDomain, to: homeDomain, id: String(n) }, 'key'),
        (n: number) => dialback('result', { from: `n${n}.example`, to: homeDomain }, 'key'),
        (n: number) => dialback('result', { from: partnerDomain, to: `n${n}.example` }, 'key'),
        () => dialback('result', { from: partnerDomain, to: homeDomain, type: 'valid' }),
        () => dialback('verify', { from: partnerDomain, to: homeDomain, id: '1', type: 'valid' }),
      ]) {
        const { stream: opened } = await siege.secured({ from: partnerDomain });
        await opened.write(many(5_000, ask)).catch(() => {});
        await opened.closed;
      }
      expect(siege.gateway.lines({ event: 'stream-proven', address: siege.attacker }, after)).toEqual([]);
    });
  });

  it('cannot keep one partner from being verified by claiming another whose server is deaf', async () => {
    const { dns, loopback } = siege.federation.world;
    const server = async (domain: string) => {
      const listener = await RawListener.start(loopback.address(), (one) => one.closed);
      publishXmpp(dns, domain, [{ host: listener.address, port: listener.port }]);
      return siege.federation.world.own(listener);
    };
    const servers = await Promise.all([server(deaf), server(hearing)]);
    const claim = async (domain: string) => {
      const claiming = await stream(siege.secured({ from: domain }));
      await claiming.write(dialback('result', { from: domain, to: homeDomain }, 'key'));
      return claiming;
    };
    await siege.withstand(async () => {
      const after = siege.gateway.log.mark();
      const claiming = await Promise.all(Array.from({ length: 80 }, () => claim(deaf)));
      const refused = { event: 'dialback-refused', reason: 'connections-full', partner: deaf } as const;
      await vi.waitFor(() => expect(siege.gateway.lines(refused, after).length).toBeGreaterThan(60));
      expect(servers[0].accepted).toBeLessThan(20);
      claiming.push(await claim(hearing));
      await vi.waitFor(() => expect(servers[1].accepted).toBe(1));
      expect(siege.gateway.lines({ ...refused, partner: hearing }, after)).toEqual([]);
      await Promise.all(claiming.map((one) => one.close()));
      await Promise.all(servers.map((one) => one.close()));
    });
  });
});

async function stream(partner: Promise<{ stream: RawStream }>): Promise<RawStream> {
  return (await partner).stream;
}

async function write(connecting: Promise<RawStream>, bytes: string | Uint8Array): Promise<RawStream> {
  const opened = await connecting;
  await opened.write(bytes);
  return opened;
}
