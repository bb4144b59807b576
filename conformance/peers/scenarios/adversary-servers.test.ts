import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KeyPair } from '../authority.ts';
import { requirePeers } from '../available.ts';
import { publishXmpp } from '../dns.ts';
import { established, flood, hostileServers, management } from '../hostile-servers.ts';
import type { RawStream } from '../raw.ts';
import { RawListener } from '../raw-listener.ts';
import { Siege } from '../siege.ts';

const domainOf = (n: number) => `x${n}.example`;
/** Partners whose SRV records lead astray. */
const loops = ['loop-starttls.example', 'loop-direct.example', 'loop-component.example', 'loop-many.example'];
const asking = 'asking.example';
const silent = 'silent.example';
const boasting = 'boasting.example';
const fleeing = 'fleeing.example';

describe.runIf(requirePeers('prosody'))('Servers that mean harm to whoever connects', () => {
  let siege: Siege;
  let certificate: KeyPair;
  let elsewhere: RawListener;

  beforeAll(async () => {
    const domains = [...hostileServers.map((_, n) => domainOf(n)), ...loops, asking, silent, boasting, fleeing];
    const others = Object.fromEntries(
      domains.map((domain) => [
        domain,
        `partner: ${domain}\ntrust: { accept: [certificate] }\nmessages: { allow: both, maxBytes: 512KiB }\n`,
      ]),
    );
    siege = await Siege.start({
      others,
      edge: 'connectTimeout: 2s, limits: { authTimeout: 2s, queue: { wait: 1s } }',
      settings: 'outbox: { age: 1s }',
    });
    certificate = await siege.federation.world.authority.issue({ domains });
    elsewhere = siege.federation.world.own(await RawListener.start(siege.attacker, (stream) => stream.closed));
  });
  afterAll(() => siege?.close());

  const publish = (domain: string, ...targets: Parameters<typeof publishXmpp>[2][number][]) =>
    publishXmpp(siege.federation.world.dns, domain, targets);
  const serve = async (domain: string, serving: (stream: RawStream) => Promise<void>): Promise<RawListener> => {
    const listener = siege.federation.world.own(await RawListener.start(siege.attacker, serving));
    publish(domain, { host: listener.address, port: listener.port });
    return listener;
  };
  /** Alice writes to a domain and is told that it cannot be reached. */
  const bounced = async (domain: string): Promise<void> => {
    await siege.alice.say(`mallory@${domain}`, 'anybody there?', domain);
    const answer = await siege.alice.messages.next(({ attrs }) => attrs.from === `mallory@${domain}`, {
      timeoutMs: 30_000,
    });
    expect(answer.attrs.type).toBe('error');
    expect(answer.attrs.id).toBe(domain);
  };

  it('are given up, each with its reason, and their message comes back', async () => {
    await siege.withstand(async () => {
      await Promise.all(
        hostileServers.map(async ({ what, reason, serve: serving }, n) => {
          const domain = domainOf(n);
          const after = siege.gateway.log.mark();
          const means = { domain, keys: certificate, authority: siege.federation.world.authority, elsewhere };
          const listener = await serve(domain, (stream) => serving(stream, means));
          await bounced(domain);
          const { reason: found, detail } = await siege.gateway.logged(
            { event: 'partner-unreachable', partner: domain },
            after,
          );
          expect.soft({ what, reason: found, detail }).toEqual({ what, reason, detail });
          await listener.close();
        }),
      );
      expect(elsewhere.accepted).toBe(0);
    });
  });

  it('may point their SRV records at the gateway itself, or at nothing', async () => {
    const { address, ports } = siege.gateway;
    const { home } = siege.federation;
    publish('loop-starttls.example', { host: address, port: ports.s2s });
    publish(
      'loop-direct.example',
      { host: address, port: ports.directTls, tls: 'direct' },
      { host: address, port: ports.s2s, priority: 1 },
    );
    publish('loop-component.example', { host: home.address, port: home.ports.component });
    const nobody = await siege.federation.world.loopback.port(address);
    publish(
      'loop-many.example',
      ...Array.from({ length: 50 }, (_, n) => ({ host: address, port: n % 2 ? ports.s2s : nobody, priority: n })),
    );
    await siege.withstand(async () => {
      const after = siege.gateway.log.mark();
      await Promise.all(loops.map(bounced));
      for (const partner of loops) await siege.gateway.logged({ event: 'partner-unreachable', partner }, after);
    });
  });

  it('are left when they ask and read no answer', async () => {
    await siege.withstand(async () => {
      const after = siege.gateway.log.mark();
      const listener = await serve(asking, async (stream) => {
        await established(stream, certificate, management);
        await stream.read(/<message/);
        stream.pause();
        await flood(stream, "<r xmlns='urn:xmpp:sm:3'/>");
      });
      await siege.alice.say(`mallory@${asking}`, 'hello');
      await siege.gateway.logged({ event: 'stream-closed', reason: 'stream-protocol', partner: asking }, after);
      await listener.close();
    });
  });

  it('may confirm nothing of what they take: no more waits for it than fits', async () => {
    await siege.withstand(async () => {
      const listener = await serve(silent, async (stream) => {
        await established(stream, certificate, management);
        stream.discard();
        await stream.closed;
      });
      const letters = 80;
      for (let n = 0; n < letters; n++) await siege.alice.say(`mallory@${silent}`, 'z'.repeat(200_000), String(n));
      // What waited its second is bounced; what was written is not, as it may have been taken.
      const answer = await siege.alice.messages.next(({ attrs }) => attrs.from === `mallory@${silent}`, {
        timeoutMs: 30_000,
      });
      expect(answer.attrs.type).toBe('error');
      await listener.close();
    });
    siege.alice.messages.clear();
  });

  it('may confirm what they never got', async () => {
    await siege.withstand(async () => {
      const after = siege.gateway.log.mark();
      const listener = await serve(boasting, async (stream) => {
        await established(stream, certificate, management);
        await stream.read(/<message/);
        await stream.write("<a xmlns='urn:xmpp:sm:3' h='1000000'/>");
        await stream.closed;
      });
      await siege.alice.say(`mallory@${boasting}`, 'hello');
      await siege.gateway.logged({ event: 'stream-closed', reason: 'stream-protocol', partner: boasting }, after);
      await listener.close();
    });
    siege.alice.messages.clear();
  });

  it('may take a stanza and hang up, time and again', async () => {
    await siege.withstand(async () => {
      const listener = await serve(fleeing, async (stream) => {
        await established(stream, certificate, management);
        await stream.read(/<message/);
        stream.reset();
      });
      await bounced(fleeing);
      expect(listener.accepted).toBeLessThan(10);
      await listener.close();
    });
  });
});
