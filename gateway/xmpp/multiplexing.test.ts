import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProofKind } from '../../policies/trust.ts';
import { type TestEdge, TestNet } from './testing/edge.fixture.ts';
import { RawPartner, readIds } from './testing/raw-partner.fixture.ts';
import { message } from './testing/recording.fixture.ts';

const [a, a2, b, b2] = ['a.example', 'rooms.a.example', 'b.example', 'rooms.b.example'];

describe('Several pairs of domains on one stream', () => {
  let net: TestNet;

  beforeEach(async () => {
    net = await TestNet.start();
  });
  afterEach(() => net.close());

  const carry = async (from: TestEdge, to: TestEdge, [home, partner]: readonly [string, string]): Promise<void> => {
    const id = `${home} to ${partner}`;
    from.edge.send(home, partner, message(`u@${home}`, `v@${partner}`, id));
    await to.host.watch.until(() => to.host.received.find(({ stanza }) => stanza.id === id));
  };
  const provenPairs = ({ journal }: TestEdge, direction: string): string[] =>
    journal.of({ event: 'stream-proven', direction }).map(({ home, partner }) => `${home} ${partner}`);

  it.each(['certificate', 'dialback'] as const)(
    'are added by dialback: domains of ours, proven by %s, towards the same partner',
    async (proof) => {
      const common = { accepts: [proof], options: { bidi: false }, answersPings: false };
      const one = await net.edge({ ...common, domains: [a, a2] });
      const two = await net.edge({ ...common, domains: [b] });
      await carry(one, two, [a, b]);
      await carry(one, two, [a2, b]);
      expect(provenPairs(one, 'outbound')).toEqual([`${a} ${b}`, `${a2} ${b}`]);
      expect(provenPairs(two, 'inbound')).toEqual([`${b} ${a}`, `${b} ${a2}`]);
      expect(one.edge.load.outgoing).toBe(1);
      expect(two.edge.load.incoming).toBe(1);
    },
  );

  it.each([true, false])(
    'reach a further domain of the partner at the same endpoint (bidi %s), and back',
    async (bidi) => {
      const one = await net.edge({ domains: [a, a2], options: { bidi } });
      const two = await net.edge({ domains: [b, b2], options: { bidi } });
      for (const pair of [
        [a, b],
        [a, b2],
        [a2, b2],
      ] as const) {
        await carry(one, two, pair);
        await carry(two, one, [pair[1], pair[0]]);
      }
      const streams = bidi ? 1 : 2;
      expect(one.edge.load.incoming + one.edge.load.outgoing).toBe(streams);
      expect(two.edge.load.incoming + two.edge.load.outgoing).toBe(streams);
      const further = one.journal.of({ event: 'stream-proven', direction: 'outbound', partner: b2 });
      expect(further[0]?.evidence).toEqual([expect.objectContaining({ proof: 'certificate', holds: true })]);
    },
  );

  it('need a stream of their own where the further domain lives elsewhere', async () => {
    const one = await net.edge({ domains: [a], answersPings: false });
    const two = await net.edge({ domains: [b], certificate: await net.issue({ domains: [b, b2] }) });
    const three = await net.edge({ domains: [b2] });
    await carry(one, two, [a, b]);
    await carry(one, three, [a, b2]);
    expect(one.edge.load.outgoing).toBe(2);
  });

  it('need a stream of their own where the certificate does not name the further domain', async () => {
    const accepts: ProofKind[] = ['certificate', 'dialback'];
    const one = await net.edge({ domains: [a], accepts, answersPings: false });
    const two = await net.edge({ domains: [b, b2], accepts, certificate: await net.issue({ domains: [b] }) });
    await carry(one, two, [a, b]);
    await carry(one, two, [a, b2]);
    expect(one.edge.load.outgoing).toBe(2);
    expect(two.edge.load.incoming).toBe(2);
  });

  it('go to a new stream when the standing one takes no more', async () => {
    const one = await net.edge({ domains: [a, a2], accepts: ['dialback'], options: { tlsRequired: false } });
    const raw = await RawPartner.start(net, b);
    one.edge.send(a, b, message(`u@${a}`, `v@${b}`, '1'));
    const first = await raw.stream({ sm: true });
    await readIds(first, 1);
    one.edge.send(a2, b, message(`u@${a2}`, `v@${b}`, '2'));
    await first.read(new RegExp(`<db:result from='${a2}'.*</db:result>`));
    first.write(
      `<db:result from='${b}' to='${a2}' type='error'><error type='cancel'>` +
        `<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>`,
    );
    const second = await raw.stream({ sm: true });
    expect(await readIds(second, 1)).toEqual(['2']);
    one.edge.send(a, b, message(`u@${a}`, `v@${b}`, '3'));
    expect(await readIds(first, 1)).toEqual(['3']);
    expect(one.journal.of({ event: 'dialback-refused', home: a2 })).toHaveLength(1);
    await raw.close();
  });

  it('share a stream that is just being set up', async () => {
    const one = await net.edge({ domains: [a, a2], answersPings: false });
    const two = await net.edge({ domains: [b] });
    await Promise.all([carry(one, two, [a, b]), carry(one, two, [a2, b])]);
    expect(one.edge.load.outgoing).toBe(1);
  });

  it('lose only the pair that the partner has no room for', async () => {
    const one = await net.edge({ domains: [a, a2], answersPings: false });
    const two = await net.edge({ domains: [b], answersPings: false });
    await carry(one, two, [a, b]);
    two.host.streams = 0;
    one.edge.send(a2, b, message(`u@${a2}`, `v@${b}`, 'held'));
    await two.journal.seen({ event: 'dialback-refused', reason: 'connections-full' });
    await one.journal.seen({ event: 'partner-unreachable', home: a2 });
    await carry(one, two, [a, b]);
    expect(two.edge.load.incoming).toBe(1);
  });

  it('end together when what proved one of them no longer suffices', async () => {
    const one = await net.edge({ domains: [a], answersPings: false });
    const two = await net.edge({ domains: [b, b2], answersPings: false });
    await carry(one, two, [a, b]);
    await carry(one, two, [a, b2]);
    one.host.accepts.set(b2, ['dane']);
    one.edge.reconsider();
    const closed = await one.journal.seen({ event: 'stream-closed', direction: 'outbound' });
    expect(closed).toMatchObject({ reason: 'trust-insufficient' });
    expect(await two.journal.seen({ event: 'stream-closed', direction: 'inbound' })).toMatchObject({
      detail: expect.stringContaining('reset'),
    });
  });
});
