import { setTimeout } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { requirePeers } from '../available.ts';
import { Crowds } from '../crowds.ts';
import { Federation, type Network } from '../federation.ts';
import type { Relay } from '../relay.ts';
import { between, drawSeed, oneOf, type Random, seededRandom, shuffled } from '../seed.ts';

/** Everything arrives once and in order, or comes back. */
const nothing = { lost: 0, doubled: 0, disordered: 0 };
/** Messages under way at a time in one direction, in writes of four: what a broken link can swallow. */
const underWay = 4 * (16 + 3);

/**
 * Messages of each sender after which a stream or link counts as steady (two seconds), so that its next loss is mended at
 * once: who loses it sooner waits longer each time, up to a minute.
 */
const steady = 130;

type Fault = (relay: Relay, crowds: Crowds, random: Random) => Promise<void>;

/** Each resolves when the network is well again. Senders are told to take care where connections break. */
const faults: Readonly<Record<string, Fault>> = {
  cut: async (relay, crowds) => {
    relay.cut();
    crowds.interrupt();
  },

  'half-close there': async (relay, crowds) => {
    relay.halfClose('there');
    crowds.interrupt();
  },

  'half-close back': async (relay, crowds) => {
    relay.halfClose('back');
    crowds.interrupt();
  },

  'cut, and attempts dropped': async (relay, crowds, random) => {
    relay.refuse(between(random, 1, 3));
    relay.cut();
    crowds.interrupt();
  },

  'a short stall': async (relay, _, random) => {
    relay.pause('there', 'back');
    await setTimeout(between(random, 50, 400));
    relay.resume();
  },

  'a cut in a stall': async (relay, crowds, random) => {
    relay.pause('there', 'back');
    await setTimeout(between(random, 50, 400));
    relay.cut();
    relay.resume();
    crowds.interrupt();
  },

  jitter: async (relay, crowds, random) => {
    relay.delay(() => between(random, 0, 20));
    await crowds.moment(random);
    relay.delay(0);
  },

  'bytes of an old connection behind those of a new one': async (relay, crowds) => {
    relay.detain();
    await vi.waitFor(() => expect(relay.kept).toBeGreaterThan(0), { timeout: 10_000, interval: 1 });
    relay.strand();
    crowds.interrupt();
    await crowds.resumed();
    relay.release();
  },
};

describe.runIf(requirePeers('prosody'))('The network fails under load', () => {
  const federations: Federation[] = [];
  afterEach(() => Promise.all(federations.splice(0).map((federation) => federation.close())));

  const start = async (): Promise<[Federation, Crowds]> => {
    const federation = await Federation.start({
      partner: 'prosody',
      home: 'prosody',
      proof: 'certificate',
      tls: 'starttls',
      partnerModules: ['smacks'],
      relayed: true,
      // Who was told nothing asks after so long a silence, and waits as long for the answer.
      edge: 'keepAlive: 10s',
      partnerSettings: 'network_settings = { read_timeout = 10 }',
    });
    federations.push(federation);
    return [federation, await Crowds.of(federation)];
  };

  /** Every fault so many times, in random order, each at one of these relays. */
  const plan = (crowds: Crowds, times: number, relays: readonly [Relay, ...Relay[]], random: Random) =>
    shuffled(random, Array(times).fill(Object.values(faults)).flat()).map(
      (fault: Fault) => () => fault(oneOf(random, relays), crowds, random),
    );

  it('between the gateway and the partner', { timeout: 180_000 }, async () => {
    const random = seededRandom(drawSeed('network-faults'));
    const [federation, crowds] = await start();
    const { toPartner, toGateway } = federation.network;
    await crowds.endure(plan(crowds, 2, [toPartner, toGateway], random), random, steady);
    expect(await crowds.finish()).toMatchObject({ outbound: nothing, inbound: nothing });
  });

  it('between the gateway and the home server', { timeout: 180_000 }, async () => {
    const random = seededRandom(drawSeed('network-faults'));
    const [federation, crowds] = await start();
    const { toHome } = federation.network;
    await crowds.endure(plan(crowds, 1, [toHome], random), random, steady);
    const { outbound, inbound } = await crowds.finish();
    expect(inbound).toMatchObject(nothing);
    expect(outbound).toMatchObject({ doubled: 0, disordered: 0 });
    // A component link knows no acknowledgement (XEP-0114): what the home server wrote on one that broke is gone.
    expect(outbound.lost).toBeLessThanOrEqual(Object.keys(faults).length * underWay);
  });

  it('without a word: the dead are found, and what they held comes back', { timeout: 180_000 }, async () => {
    const silence = async (how: 'swallow' | 'detain', ...names: (keyof Network)[]) => {
      const [{ network }, crowds] = await start();
      for (const name of names) network[name][how]();
      crowds.interrupt();
      await crowds.resumed();
      for (const name of names) network[name].release();
      await crowds.arrive(4);
      return crowds.finish();
    };
    const [dead, late, link] = await Promise.all([
      silence('swallow', 'toPartner', 'toGateway'),
      silence('detain', 'toPartner', 'toGateway'),
      silence('swallow', 'toHome'),
    ]);
    expect(dead).toMatchObject({ outbound: nothing, inbound: nothing });
    expect(late).toMatchObject({ outbound: nothing, inbound: nothing });
    expect(link.inbound).toMatchObject(nothing);
    // What the home server goes on writing into a link that it believes in is gone, see above.
    expect(link.outbound).toMatchObject({ doubled: 0, disordered: 0 });
  });
});
