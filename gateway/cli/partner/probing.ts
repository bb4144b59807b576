import { exit } from '../cli.ts';
import { interruptible } from '../interrupt.ts';
import { error, ofThrown, Report } from '../observation.ts';
import type { Terminal } from '../terminal.ts';
import { timeLimit } from '../time-limit.ts';

export interface ProbingOptions {
  readonly json?: boolean;
  /** How long all of it may take, ms. */
  readonly timeout: number;
}

/**
 * Runs a probe that reports as it goes, within its time, until it is done or interrupted; returns its exit code. What was
 * found before its time was up is told with it.
 */
export async function probing(
  { json = false, timeout }: ProbingOptions,
  terminal: Terminal,
  probe: (report: Report, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  using interrupt = interruptible();
  using limit = timeLimit(timeout, interrupt.signal);
  const report = new Report(terminal, json);
  try {
    return await probe(report, limit.signal);
  } catch (thrown) {
    if (!limit.signal.aborted) throw thrown;
    const interrupted = interrupt.signal.aborted;
    const { message, reason } = ofThrown('connection', limit.signal.reason);
    report.add(error('connection', message, { reason, remedy: interrupted ? undefined : 'allow more with --timeout' }));
    report.end();
    return interrupted ? exit.interrupted : exit.found;
  }
}
