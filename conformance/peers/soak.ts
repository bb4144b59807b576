import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { xml } from '@xmpp/client';
import type { Totals } from './crowd.ts';
import { RawPartner } from './raw-partner.ts';
import { between, drawSeed, oneOf, type Random, seededRandom } from './seed.ts';
import { grown, readSample, type Sample } from './soak-samples.ts';
import { SoakStage, visitor } from './soak-stage.ts';

export interface SoakOptions {
  readonly seconds: number;
  /** Messages a second, both directions together. */
  readonly rate: number;
  /** Told every ten seconds how it goes. */
  readonly tell: (line: string) => void;
}

export interface SoakReport {
  readonly outbound: Totals;
  readonly inbound: Totals;
  /** Streams opened by a partner for one message, and closed again. */
  readonly visits: number;
  /** Connections broken under the streams of the others. */
  readonly cuts: number;
  /** Sessions that were resumed on a new connection, and those that came and went. */
  readonly resumptions: number;
  readonly signIns: number;
  readonly samples: readonly Sample[];
  /** What must not be; none where all is well. */
  readonly failures: readonly string[];
}

/** What may differ at the end, of each kind of resource: what is made once and kept, such as a timer of the limits. */
const mostKept = 3;
/** ms for streams and sessions to end when everybody has gone. */
const patienceMs = 30_000;
const tellEvery = 10;

/**
 * A gateway with an embedded home under a steady load both ways, while streams and sessions open, close and break.
 * Afterwards everything must have arrived or come back, and the gateway must hold what it held before.
 */
export async function soak({ seconds, rate, tell }: SoakOptions): Promise<SoakReport> {
  const random = seededRandom(drawSeed('soak'));
  const stage = await SoakStage.start();
  try {
    const before = await readSample(stage.gateway);
    const crowds = await stage.crowds(rate);
    const samples: Sample[] = [];
    const done = { visits: 0, cuts: 0, signIns: 0 };
    for (let second = 1; second <= seconds; second += 1) {
      const next = setTimeout(1_000);
      await visit(stage, random);
      done.visits += 1;
      if (second % 4 === 0) oneOf(random, stage.drops)();
      if (second % 7 === 0) {
        await stage.comeAndGo();
        done.signIns += 1;
      }
      if (second % 10 === 5) {
        oneOf(random, stage.cuts)();
        crowds.interrupt();
        done.cuts += 1;
      }
      samples.push(await readSample(stage.gateway));
      if (second % tellEvery === 0) tell(progress(second, samples, crowds.outbound.sent + crowds.inbound.sent));
      await next;
    }
    const { outbound, inbound } = await crowds.finish();
    const { resumptions, violations } = stage;
    await stage.leave();
    const left = await settled(stage, before);
    const failures = [
      ...violations,
      ...amiss('outbound', outbound),
      ...amiss('inbound', inbound),
      ...left,
      ...grown(samples),
    ];
    return { outbound, inbound, ...done, resumptions, samples, failures };
  } finally {
    await stage.close();
  }
}

/** A partner opens a stream for one message, which arrives, and closes it. */
async function visit({ gateway, certificate, receiver }: SoakStage, random: Random): Promise<void> {
  const partner = await RawPartner.proven(gateway, { from: visitor, to: gateway.domain, certificate });
  const body = `visit ${between(random, 0, 2 ** 30)}`;
  const message = xml('message', { from: `guest@${visitor}`, to: receiver.address }, xml('body', {}, body));
  await partner.stream.write(`${message}</stream:stream>`);
  await receiver.messages.next((one) => one.getChildText('body') === body);
  await partner.stream.closed;
}

/** Everything arrives once and in order, or comes back. */
function amiss(way: string, { sent, received, refused, both, lost, doubled, disordered }: Totals): string[] {
  const wrong = Object.entries({ lost, doubled, disordered }).filter(([, count]) => count > 0);
  return [
    ...wrong.map(([what, count]) => `${count} ${way} ${what}`),
    ...(sent === received + refused - both ? [] : [`of ${sent} ${way} ${received + refused - both} are accounted for`]),
  ];
}

/** What the gateway still holds of a load that is over; it is given time to end what ends by itself. */
async function settled({ gateway }: SoakStage, before: Sample): Promise<string[]> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const { resources, held } = await readSample(gateway);
    const left = [
      ...Object.entries(held).filter(([, count]) => count > 0),
      ...Object.entries(resources).filter(([kind, count]) => count > (before.resources[kind] ?? 0) + mostKept),
    ];
    if (left.length === 0 || Date.now() > deadline) return left.map(([what, count]) => `${count} ${what} left`);
    await setTimeout(100);
  }
}

function progress(second: number, samples: readonly Sample[], sent: number): string {
  const { memory, held } = samples.at(-1) ?? { memory: {}, held: {} };
  const mebibytes = Object.entries(memory).map(([kind, bytes]) => `${kind} ${Math.round(bytes / 2 ** 20)} MiB`);
  const counts = Object.entries(held).map(([what, count]) => `${what} ${count}`);
  return `${second} s: ${Math.round(sent / second)} messages/s, ${mebibytes.join(', ')}; ${counts.join(', ')}`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: { minutes: { type: 'string', default: '10' }, rate: { type: 'string', default: '500' } },
  });
  const { samples, failures, ...report } = await soak({
    seconds: Number(values.minutes) * 60,
    rate: Number(values.rate),
    tell: (line) => console.log(line),
  });
  console.log(report);
  for (const failure of failures) console.error(`failed: ${failure}`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}
