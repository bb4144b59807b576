import { crowds } from './crowd.ts';
import { flows } from './flows.ts';
import { homeSide } from './home-side.ts';
import { Lines } from './lines.ts';
import { partnerSide } from './partner-side.ts';
import { sipSide } from './sip-side.ts';

/** A process that makes or takes load, so that the measuring one is disturbed by neither; see {@link LoadProcess}. */
const lines = new Lines();
const orders = { ...partnerSide(lines), ...homeSide(lines), ...flows(lines), ...crowds(), ...sipSide(lines) };

export type Orders = typeof orders;

interface Request {
  readonly id: number;
  readonly order: keyof Orders;
  readonly details: never;
}

process.on('message', ({ id, order, details }: Request) => {
  const done: Promise<unknown> = orders[order](details);
  done.then(
    (result) => process.send?.({ id, result }),
    (error: unknown) => process.send?.({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
// Ctrl-C is for whoever started this process: it ends with the channel to it.
process.on('SIGINT', () => {});
