import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { requirePeers } from '../available.ts';
import type { TestClient } from '../client.ts';
import { DialbackWorld, forged, home, messageXml, ourKeys, rooms, trustLine } from '../dialback-world.ts';
import type { GatewayProcess } from '../gateway.ts';
import { dialback } from '../raw-partner.ts';
import type { World } from '../world.ts';

describe.runIf(requirePeers('prosody'))('Dialback at the gateway', () => {
  let dialbacks: DialbackWorld;
  let world: World;
  let gateway: GatewayProcess;
  let alice: TestClient;

  beforeAll(async () => {
    dialbacks = await DialbackWorld.start();
    ({ world, gateway, alice } = dialbacks);
  });
  afterAll(() => dialbacks?.close());

  describe('as receiving server', () => {
    it('takes a key that the authoritative server owns', async () => {
      const partner = await dialbacks.stream('d.example');
      expect(await partner.claim('d.example', home, dialbacks.keyOf('d.example', partner))).toContain("type='valid'");
      await partner.stream.write(messageXml('bob@d.example', 'by dialback'));
      expect((await alice.messages.next()).getChildText('body')).toBe('by dialback');
    });

    it.each(['made up', 'of another stream', 'of another pair'])(
      'refuses a key %s and closes the stream',
      async (what) => {
        const other = await dialbacks.stream('d.example');
        const partner = await dialbacks.stream('d.example');
        const key =
          what === 'made up'
            ? forged
            : what === 'of another stream'
              ? dialbacks.keyOf('d.example', other)
              : dialbacks.keyOf('d.example', partner, rooms);
        const [before, seen] = [gateway.log.mark(), dialbacks.authoritative('d.example').log.mark()];
        expect(await partner.claim('d.example', home, key)).toMatch(/type='invalid'/);
        await partner.stream.read(/<\/stream:stream>/);
        await partner.stream.write('</stream:stream>');
        await partner.stream.closed;
        const line = await gateway.logged({ event: 'dialback-refused', reason: 'dialback-invalid' }, before);
        expect(line).toMatchObject({ partner: 'd.example', home, rule: { line: trustLine } });
        expect(line.rule?.file).toMatch(/d\.example\.yaml$/);
        await dialbacks
          .authoritative('d.example')
          .log.waitFor(/key that was incorrect. An imposter is claiming to be d\.example/, { after: seen });
      },
    );

    it.each([
      ['cannot be reached', 'gone.example', 'remote-connection-failed', 'remote-unreachable'],
      ['is not in DNS', 'nowhere.example', 'remote-server-not-found', 'dns-not-found'],
    ] as const)(
      'says so where the authoritative server %s, and keeps the stream',
      async (_what, domain, condition, reason) => {
        const before = gateway.log.mark();
        const partner = await dialbacks.stream(domain);
        expect(await partner.claim(domain, home, forged)).toMatch(new RegExp(`type='error'.*<${condition} `));
        expect(await gateway.logged({ event: 'dialback-refused', reason }, before)).toMatchObject({
          partner: domain,
          home,
        });
        expect(await partner.claim('d.example', home, dialbacks.keyOf('d.example', partner))).toContain("type='valid'");
      },
    );

    it('refuses dialback in clear', async () => {
      const before = gateway.log.mark();
      const partner = await dialbacks.clear('d.example');
      await partner.stream.write(
        dialback('result', { from: 'd.example', to: home }, dialbacks.keyOf('d.example', partner)),
      );
      expect(await partner.streamError()).toBe('policy-violation');
      await gateway.logged(
        { event: 'stream-refused', reason: 'tls-unavailable', condition: 'policy-violation' },
        before,
      );
    });

    it('refuses it to a partner that must bring a certificate, and asks nobody', async () => {
      const before = gateway.log.mark();
      const partner = await dialbacks.stream('d.example');
      expect(await partner.claim('c.example', home, forged)).toMatch(/type='error'.*<not-authorized /);
      const line = await gateway.logged({ event: 'dialback-refused', partner: 'c.example' }, before);
      expect(line).toMatchObject({ reason: 'certificate-self-signed', rule: { line: trustLine } });
      expect(world.dns.asked.filter(({ name }) => name.includes('c.example'))).toEqual([]);

      const own = await dialbacks.secured('c.example');
      expect(await own.streamError()).toBe('not-authorized');
      await gateway.logged(
        { event: 'stream-refused', reason: 'certificate-self-signed', partner: 'c.example' },
        before,
      );
    });

    it('refuses it to a domain without a policy, and asks nobody', async () => {
      const before = gateway.log.mark();
      const partner = await dialbacks.stream('d.example');
      for (const domain of ['stranger.example', home]) {
        expect(await partner.claim(domain, home, forged)).toMatch(/type='error'.*<not-authorized /);
        await gateway.logged({ event: 'dialback-refused', reason: 'no-partner', partner: domain }, before);
      }
      expect(world.dns.asked.filter(({ name }) => name.includes('stranger'))).toEqual([]);
    });

    it('answers for a domain that is no home of ours, and keeps the stream', async () => {
      const before = gateway.log.mark();
      const partner = await dialbacks.stream('d.example');
      expect(await partner.claim('d.example', 'elsewhere.example', forged)).toMatch(/type='error'.*<item-not-found /);
      await gateway.logged({ event: 'dialback-refused', reason: 'domain-not-home', home: 'elsewhere.example' }, before);
      expect(await partner.claim('d.example', home, dialbacks.keyOf('d.example', partner))).toContain("type='valid'");
    });

    it('bounds what one stream can make it ask', async () => {
      world.dns.whim = ({ name }) => (name.includes('w.example') ? 'drop' : undefined);
      onTestFinished(() => {
        world.dns.whim = undefined;
      });
      const before = gateway.log.mark();
      const partner = await dialbacks.stream('d.example');
      const claims = Array.from({ length: 100 }, (_, n) =>
        dialback('result', { from: `w${n}.w.example`, to: home }, forged),
      );
      await partner.stream.write(claims.join(''));
      expect(await partner.stream.read(/<db:result[\s\S]*?<\/db:result>/)).toMatch(
        /from='h\.example' to='w16\.w\.example' type='error'.*<resource-constraint /,
      );
      expect(await partner.streamError()).toBe('policy-violation');
      await gateway.logged(
        { event: 'stream-refused', reason: 'connections-full', condition: 'policy-violation' },
        before,
      );
      const asked = world.dns.asked
        .filter(({ name }) => name.endsWith('.w.example'))
        .map(({ name }) => name.replace(/^_.*\._tcp\./, ''));
      expect(new Set(asked).size).toBeLessThanOrEqual(16);
    });

    it('ends a stream that keeps claiming what it may not', async () => {
      const partner = await dialbacks.stream('d.example');
      const claims = Array.from({ length: 20 }, (_, n) =>
        dialback('result', { from: `stranger${n}.example`, to: home }, forged),
      );
      await partner.stream.write(claims.join(''));
      expect(await partner.streamError()).toBe('policy-violation');
    });
  });

  describe('as authoritative server', () => {
    it('owns its keys, disowns others, and knows no domain but its own', async () => {
      const before = gateway.log.mark();
      const asking = await dialbacks.stream('d.example');
      const verify = async (to: string, id: string, key: string) => {
        await asking.stream.write(dialback('verify', { from: 'd.example', to, id }, key));
        return await asking.stream.read(/<db:verify[^>]*\/>|<db:verify.*?<\/db:verify>/);
      };
      expect(await verify(home, 'their-1', ourKeys.key('d.example', home, 'their-1'))).toBe(
        `<db:verify from='${home}' to='d.example' id='their-1' type='valid'/>`,
      );
      expect(await verify(rooms, 'their-1', ourKeys.key('d.example', home, 'their-1'))).toContain("type='invalid'");
      expect(await verify(home, 'their-2', ourKeys.key('d.example', home, 'their-1'))).toContain("type='invalid'");
      expect(await verify(home, 'their-1', forged)).toContain("type='invalid'");
      expect(await verify('elsewhere.example', 'their-1', forged)).toMatch(/type='error'.*<item-not-found /);
      expect(
        await gateway.loggedTimes(3, { event: 'dialback-refused', reason: 'dialback-invalid' }, before),
      ).toHaveLength(3);
    });
  });

  describe('where policy demands certificate and dialback together', () => {
    it('takes both', async () => {
      const before = gateway.log.mark();
      const partner = await dialbacks.secured('b.example', await dialbacks.issue('b.example'));
      expect(await partner.features()).not.toContain('EXTERNAL');
      expect(await partner.auth('=')).toContain('<not-authorized/>');
      expect(await gateway.logged({ event: 'stream-refused', sasl: 'not-authorized' }, before)).toMatchObject({
        rule: { line: trustLine },
      });
      expect(await partner.claim('b.example', home, dialbacks.keyOf('b.example', partner))).toContain("type='valid'");
      const line = await gateway.logged({ event: 'stream-proven', direction: 'inbound', partner: 'b.example' }, before);
      expect(line.evidence).toMatchObject([
        { proof: 'certificate', holds: true },
        { proof: 'dialback', holds: true },
      ]);
    });

    it('takes no certificate with a forged key', async () => {
      const partner = await dialbacks.stream('b.example', await dialbacks.issue('b.example'));
      expect(await partner.claim('b.example', home, forged)).toContain("type='invalid'");
    });

    it('takes no key without a certificate', async () => {
      const before = gateway.log.mark();
      const partner = await dialbacks.secured('b.example');
      expect(await partner.streamError()).toBe('not-authorized');
      const other = await dialbacks.stream('d.example');
      expect(await other.claim('b.example', home, dialbacks.keyOf('b.example', other))).toMatch(
        /type='error'.*<not-authorized /,
      );
      await gateway.logged(
        { event: 'dialback-refused', reason: 'certificate-self-signed', partner: 'b.example' },
        before,
      );
    });
  });
});
