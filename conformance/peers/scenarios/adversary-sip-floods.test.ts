import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { selfSigned } from '../authority.ts';
import { audioSdp } from '../sip-call.ts';
import { headerValue, methodOf, statusOf, type WireMessage } from '../sip-reader.ts';
import { goodDomain, homeDomain, hostileDomain, SipSiege } from '../sip-siege.ts';
import { type SipWire, sipBytes, token } from '../sip-wire.ts';

const times = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

/** Requests that begin something, each its own. */
function requestsOf(wire: SipWire, method: string, count: number, from = `sip:mallory@${hostileDomain}`): Buffer {
  return Buffer.concat(
    times(count, () =>
      sipBytes({
        start: `${method} sip:alice@${homeDomain} SIP/2.0`,
        headers: [
          ['Via', `SIP/2.0/TLS ${wire.local};branch=z9hG4bK${token()}`],
          ['Max-Forwards', '70'],
          ['From', `<${from}>;tag=${token()}`],
          ['To', `<sip:alice@${homeDomain}>`],
          ['Call-ID', token()],
          ['CSeq', `1 ${method}`],
          ['Contact', `<sip:mallory@${wire.local};transport=tls>`],
          ...(method === 'SUBSCRIBE' ? [['Event', 'presence'] as const] : []),
          ['Content-Type', method === 'INVITE' ? 'application/sdp' : 'text/plain'],
        ],
        body: method === 'INVITE' ? audioSdp() : 'flood',
      }),
    ),
  );
}

/** Counts final responses by status, and keeps none. */
function tally(wire: SipWire): Map<number, number> {
  const statuses = new Map<number, number>();
  wire.messages.consume((message) => {
    const status = statusOf(message);
    if (status >= 200) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  });
  return statuses;
}
const total = (statuses: ReadonlyMap<number, number>) => [...statuses.values()].reduce((sum, count) => sum + count, 0);

/** Writes so many, as fast as they are taken; resolves when all are answered, or with those that were when it is cut off. */
async function flood(wire: SipWire, method: string, count: number): Promise<ReadonlyMap<number, number>> {
  const statuses = tally(wire);
  let cutOff = false;
  void wire.closed.then(() => {
    cutOff = true;
  });
  for (let n = 0; n < count && !cutOff; n += 100) await wire.write(requestsOf(wire, method, 100)).catch(() => {});
  // Where another connection was cut off, its responses come here (RFC 3261 §18.2.2).
  await vi.waitFor(() => expect(cutOff ? count : total(statuses)).toBeGreaterThanOrEqual(count), { timeout: 40_000 });
  return statuses;
}

describe('A SIP partner that floods', () => {
  let siege: SipSiege;

  beforeAll(async () => {
    siege = await SipSiege.start();
  });
  afterAll(() => siege?.close());

  it.each(['OPTIONS', 'MESSAGE', 'REGISTER', 'SUBSCRIBE', 'PUBLISH', 'REFER', 'NOTIFY', 'BYE', 'X'])(
    'with 20,000 times %s is answered or shed, and the other trunk is unharmed',
    async (method) => {
      await siege.withstand(async () => {
        const wires = await Promise.all(times(4, () => siege.attack()));
        const heard = siege.alice.messages.total;
        await Promise.all(
          wires.map(async (wire) => {
            const statuses = await flood(wire, method, 5_000);
            for (const status of statuses.keys()) expect(status).toBeGreaterThanOrEqual(200);
            await wire.close();
          }),
        );
        expect(siege.alice.messages.total).toBeGreaterThanOrEqual(heard);
        siege.alice.messages.clear();
      });
    },
    180_000,
  );

  it('without proof is told so, and the log stays readable', async () => {
    await siege.withstand(async () => {
      const after = siege.gateway.log.mark();
      const wires = await Promise.all(times(4, () => siege.stranger()));
      await Promise.all(
        wires.map(async (wire) => {
          const statuses = await flood(wire, 'MESSAGE', 5_000);
          for (const status of statuses.keys()) expect([403, 503]).toContain(status);
          await wire.close();
        }),
      );
      expect(siege.gateway.lines({ event: 'sip-refused' }, after).length).toBeLessThan(5_000);
    });
  }, 180_000);

  it('without proof takes no places with calls that it never acknowledges', async () => {
    await siege.withstand(async () => {
      const strangers = await Promise.all(times(4, () => selfSigned(goodDomain)));
      const wires = await Promise.all(strangers.map((certificate) => siege.attack(certificate)));
      for (const wire of wires) {
        const statuses = await flood(wire, 'INVITE', 5_000);
        for (const status of statuses.keys()) expect([403, 503]).toContain(status);
      }
      expect(await siege.transactions()).toBeLessThan(100);
      expect(siege.rang).toEqual([]);
      await Promise.all(wires.map((wire) => wire.close()));
    });
  }, 180_000);

  it('while it reads nothing is cut off, and costs no memory', async () => {
    await siege.withstand(async () => {
      const wires = await Promise.all(times(4, () => siege.attack()));
      await Promise.all(
        wires.map(async (wire) => {
          wire.pause();
          let closed = false;
          wire.socket.once('close', () => {
            closed = true;
          });
          for (let n = 0; n < 1_000 && !closed; n++) {
            const written = wire.write(requestsOf(wire, 'OPTIONS', 100)).catch(() => {});
            await Promise.race([written, new Promise((resolve) => setTimeout(resolve, 5_000))]);
          }
          await wire.close();
        }),
      );
    });
  }, 180_000);
});

describe('Ten thousand half-open calls', () => {
  let siege: SipSiege;

  beforeAll(async () => {
    siege = await SipSiege.start();
  });
  afterAll(() => siege?.close());

  /** A call of the good partner to alice's telephone, refused there. */
  async function goodCallRings(): Promise<void> {
    const callId = token();
    const invite = {
      method: 'INVITE',
      target: `sip:alice@${homeDomain}`,
      from: `sip:bob@${goodDomain}`,
      callId,
      headers: [
        ['Contact', `<sip:bob@${siege.wire.local};transport=tls>`],
        ['Content-Type', 'application/sdp'],
      ] as const,
      body: audioSdp(),
    };
    const outcome = siege.wire.exchange(invite, { timeoutMs: 20_000 });
    const busy = siege.pbx.requests
      .next(({ message }) => methodOf(message) === 'INVITE' && headerValue(message, 'from').includes('bob@'), {
        timeoutMs: 20_000,
      })
      .then(({ wire, message }) => wire.respond(message, 486, 'Busy Here'));
    expect((await outcome).start).toMatch(/^SIP\/2\.0 486 /);
    await busy;
  }

  it('cost a bounded amount, leave calls to the other partner, and are all cleaned up', async () => {
    // The PBX rings for all of mallory, and answers CANCELs.
    const ringing = new Map<string, { wire: SipWire; message: WireMessage }>();
    siege.pbx.requests.listen(({ wire, message }) => {
      const method = methodOf(message);
      const callId = headerValue(message, 'call-id');
      if (method === 'INVITE' && headerValue(message, 'from').includes('mallory')) {
        ringing.set(callId, { wire, message });
        void wire.respond(message, 180, 'Ringing').catch(() => {});
      } else if (method === 'CANCEL') {
        void wire.respond(message, 200, 'OK').catch(() => {});
        const invite = ringing.get(callId);
        if (invite !== undefined) void wire.respond(invite.message, 487, 'Cancelled').catch(() => {});
        ringing.delete(callId);
      }
    });
    await goodCallRings();
    await siege.withstand(async () => {
      const wires = await Promise.all(times(2, () => siege.attack()));
      const tallies = wires.map(tally);
      for (let n = 0; n < 60; n++) await Promise.all(wires.map((wire) => wire.write(requestsOf(wire, 'INVITE', 100))));
      const settled = async () => (await siege.load()).calls + tallies.reduce((sum, one) => sum + total(one), 0);
      await vi.waitFor(async () => expect(await settled()).toBeGreaterThanOrEqual(11_500), {
        timeout: 60_000,
        interval: 500,
      });
      expect((await siege.load()).calls).toBeLessThanOrEqual(2_001);
      await goodCallRings();
      await siege.talk();
      // Responses may go back on any connection of the partner (RFC 3261 §18.2.2): all of them end.
      await siege.hostile.server.close();
      for (const wire of wires) await wire.close();
      await vi.waitFor(async () => expect((await siege.load()).calls).toBe(0), { timeout: 60_000, interval: 500 });
    });
    await goodCallRings();
    await vi.waitFor(async () => expect(await siege.transactions()).toBeLessThan(100), {
      timeout: 60_000,
      interval: 500,
    });
  }, 240_000);
});
