import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SipResponse } from '../message/message.ts';
import { Bench, ourRequest, peerRequest, peerResponse } from './testing/bench.ts';
import { FakeFlow } from './testing/fake-flow.ts';
import { TRANSACTION_MS } from './timers.ts';
import type { ClientUser } from './transaction.ts';

/** The tolerance of the timer queues, ms. */
const GRAIN_MS = 50;
const FLOWS = 2;

/** Counts the ends that it is told of. */
class Ends implements ClientUser {
  final2xx = 0;
  finalOther = 0;
  failures = 0;
  late = 0;

  provisional(): void {
    if (this.finalOther + this.failures > 0) this.late++;
  }

  final({ status }: SipResponse): void {
    if (this.finalOther + this.failures > 0) this.late++;
    if (status < 300) this.final2xx++;
    else this.finalOther++;
  }

  failed(): void {
    this.failures++;
  }
}

const which = fc.nat(4);
const flow = fc.nat(FLOWS - 1);
const status = fc.constantFrom(100, 180, 183, 199, 200, 202, 302, 404, 486, 487, 503, 603);

describe('whatever happens in whatever order', () => {
  const step = fc.oneof(
    fc.record({ send: fc.constantFrom('INVITE', 'MESSAGE', 'BYE'), flow }),
    fc.record({ respond: status, which, flow }),
    fc.record({ cancel: which }),
    fc.record({ wait: fc.integer({ min: 1, max: TRANSACTION_MS + GRAIN_MS }) }),
    fc.record({ drop: flow }),
  );

  it('ends every client transaction, each with at most one end, and leaves nothing behind', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const bench = new Bench({ limits: { transactions: 3, perPeer: 3 } });
        const flows = Array.from({ length: FLOWS }, () => new FakeFlow());
        const sent: { readonly ends: Ends; readonly client: ReturnType<typeof bench.transactions.request> }[] = [];
        const on = (n: number): FakeFlow => flows[n] ?? new FakeFlow();
        for (const step of steps) {
          if ('send' in step) {
            const ends = new Ends();
            sent.push({ ends, client: bench.transactions.request(on(step.flow), ourRequest(step.send), ends) });
          } else if ('respond' in step) {
            const client = sent[step.which]?.client;
            if (client !== undefined) bench.receive(on(step.flow), peerResponse(client.request, step.respond));
          } else if ('cancel' in step) sent[step.cancel]?.client.cancel();
          else if ('wait' in step) bench.clock.advance(step.wait);
          else {
            on(step.drop).close();
            bench.transactions.closed(on(step.drop));
            flows[step.drop] = new FakeFlow();
          }
        }
        // What rings may ring for ever until it is given up.
        for (const { client } of sent) client.cancel();
        bench.clock.advance(2 * (TRANSACTION_MS + GRAIN_MS));
        await Promise.resolve();
        for (const { ends, client } of sent) {
          expect(client.state).toBe('terminated');
          expect(ends.late).toBe(0);
          // A 2xx that came in, or exactly one end.
          expect(ends.finalOther + ends.failures).toBe(ends.final2xx > 0 ? 0 : 1);
          if (client.request.method !== 'INVITE') expect(ends.final2xx).toBeLessThanOrEqual(1);
        }
        expect(bench.transactions.load).toEqual({ client: 0, server: 0 });
        expect(bench.clock.pending).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  const asked = fc.oneof(
    fc.record({ ask: fc.constantFrom('INVITE', 'MESSAGE', 'ACK', 'CANCEL'), which, flow, dialog: fc.boolean() }),
    fc.record({ respond: status, which }),
    fc.record({ wait: fc.integer({ min: 1, max: TRANSACTION_MS + GRAIN_MS }) }),
    fc.record({ drop: flow }),
  );

  it('passes every request on once, cancels and loses none after its end, and leaves nothing behind', () => {
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 40 }), fc.boolean(), (steps, other) => {
        const flows = Array.from({ length: FLOWS }, () => new FakeFlow());
        const on = (n: number): FakeFlow => flows[n] ?? new FakeFlow();
        const bench = new Bench({
          limits: { transactions: 3, perPeer: 2 },
          flowFor: () => (other ? flows.find(({ open }) => open) : undefined),
        });
        const { transactions } = bench;
        for (const step of steps) {
          if ('ask' in step) {
            const n = step.which;
            const tag = bench.servers[n]?.tag ?? 'none';
            const sketch = { branch: `z9hG4bK${n}`, callId: `call${n}`, ...(step.dialog ? { toTag: tag } : {}) };
            bench.receive(on(step.flow), peerRequest(step.ask, sketch));
          } else if ('respond' in step) {
            const server = bench.servers[step.which];
            const ended = server?.ended === true;
            if (server !== undefined) bench.respond(step.respond, server);
            if (ended) expect(server?.ended).toBe(true);
          } else if ('wait' in step) bench.clock.advance(step.wait);
          else {
            on(step.drop).close();
            transactions.closed(on(step.drop));
            flows[step.drop] = new FakeFlow();
          }
          expect(transactions.load.server).toBeLessThanOrEqual(4);
          const pending = bench.servers.filter(({ ended }) => !ended).length;
          expect(pending).toBeLessThanOrEqual(transactions.load.server);
        }
        const open = bench.servers.filter(({ ended }) => !ended);
        for (const server of open) bench.respond(487, server);
        bench.clock.advance(2 * (TRANSACTION_MS + GRAIN_MS));
        expect(transactions.load).toEqual({ client: 0, server: 0 });
        expect(bench.clock.pending).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
