import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KeyPair } from '../authority.ts';
import { requirePeers } from '../available.ts';
import { homeDomain, partnerDomain } from '../federation.ts';
import { RawStream, streamHeader } from '../raw.ts';
import { Siege } from '../siege.ts';

const stranger = 'm.example';
const header = streamHeader({ from: partnerDomain, to: homeDomain });
const times = <T>(count: number, make: () => Promise<T>): Promise<T>[] => Array.from({ length: count }, make);

describe.runIf(requirePeers('prosody'))('Crowds at the gate', () => {
  describe('where the limits let them in', () => {
    let siege: Siege;
    let certificate: KeyPair;

    beforeAll(async () => {
      siege = await Siege.start({
        edge: 'limits: { perAddress: 5000, attempts: 100000/min, authTimeout: 2min }',
        others: { [stranger]: `partner: ${stranger}\ntrust: { accept: [certificate] }\n` },
      });
      certificate = await siege.federation.world.authority.issue({ domains: [stranger] });
    });
    afterAll(() => siege?.close());

    it.each([
      {
        what: 'with a stream in clear',
        count: 2_000,
        open: async () => (await siege.clear({ from: partnerDomain })).stream,
      },
      {
        what: 'with a stream over TLS',
        count: 300,
        open: async () => (await siege.secured({ from: stranger, certificate })).stream,
      },
    ])('$count idle connections $what delay nobody and cost little', async ({ what, count, open }) => {
      const before = await siege.memory();
      await siege.withstand(async () => {
        const idle: RawStream[] = [];
        while (idle.length < count) idle.push(...(await Promise.all(times(50, open))));
        expect((await siege.streams()).connections).toBeGreaterThanOrEqual(count);
        await siege.talk();
        const each = Math.round(((await siege.memory()) - before) * (1024 / count));
        console.info(`${count} idle connections ${what}: about ${each} KiB each`);
        await Promise.all(idle.map((stream) => stream.close()));
      });
    });
  });

  describe('where the limits are low', () => {
    const [perAddress, connections, attempts] = [20, 60, 200];
    let siege: Siege;

    beforeAll(async () => {
      siege = await Siege.start({
        edge: `limits: { perAddress: ${perAddress}, connections: ${connections}, attempts: ${attempts}/min }`,
      });
    });
    afterAll(() => siege?.close());

    /** So many connections from each address, at once; resolves with those that are served. */
    const crowd = async (addresses: readonly string[], each: number): Promise<RawStream[]> => {
      const { address, ports } = siege.gateway;
      const enter = async (localAddress: string): Promise<RawStream | undefined> => {
        const stream = await RawStream.connect({ address, port: ports.s2s, localAddress });
        await stream.write(header).catch(() => {}); // refused already
        const answer = await stream.read(/<\/stream:features>/).catch(() => undefined);
        expect(stream.unread).toBe('');
        return answer === undefined ? undefined : stream;
      };
      const entered = await Promise.all(addresses.flatMap((from) => times(each, () => enter(from))));
      return entered.filter((stream) => stream !== undefined);
    };
    const leave = (streams: readonly RawStream[]) => Promise.all(streams.map((stream) => stream.close()));

    it('more from one address than may be are refused without a word', async () => {
      await siege.withstand(async () => {
        const after = siege.gateway.log.mark();
        const admitted = await crowd([siege.attacker], 100);
        expect(admitted).toHaveLength(perAddress);
        const refused = { event: 'connection-refused', reason: 'connections-full', address: siege.attacker } as const;
        await siege.gateway.logged(refused, after);
        const others = await crowd([siege.federation.world.loopback.address()], 1);
        expect(others).toHaveLength(1);
        await leave([...admitted, ...others]);
      });
    });

    it('more from everywhere than may be are refused, and streams that stand go on', async () => {
      const { connections: standing } = await siege.streams();
      await siege.withstand(async () => {
        const admitted = await crowd(
          await Promise.all(times(6, async () => siege.federation.world.loopback.address())),
          15,
        );
        expect(admitted).toHaveLength(connections - standing);
        await siege.talk();
        await leave(admitted);
      });
    });

    it('whoever comes again and again is refused for a while', async () => {
      await siege.withstand(async () => {
        const restless = siege.federation.world.loopback.address();
        let served = 0;
        for (let n = 0; n < attempts + 50; n += 10) {
          const admitted = await crowd([restless], 10);
          served += admitted.length;
          await leave(admitted);
        }
        expect(served).toBe(attempts);
      });
    });
  });
});
