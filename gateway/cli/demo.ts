import { once } from 'node:events';
import type { Command } from 'commander';
import type { Stage } from '../demo/stage.ts';
import type { Finding } from '../demo/step.ts';
import { type Cli, example, exit, jsonOption } from './cli.ts';
import type { Terminal } from './terminal.ts';

/** How long all of the tour may take with --once, ms: short of the minute it promises, with time to say goodbye. */
const ONCE_MS = 55_000;
/** npm passes on a Ctrl-C that the terminal has sent already: what comes so soon is the same one, ms. */
const ECHO_MS = 500;

interface DemoOptions {
  readonly once?: boolean;
  readonly json?: boolean;
}

/** `demo`: two organisations on this machine, a partner that speaks SIP, and a tour of what their gateways do. */
export function addDemo(program: Command, cli: Cli): void {
  program
    .command('demo')
    .description('Two organisations on loopback, a gateway each, and a tour of what crosses and what does not.')
    .option('--once', 'end behind the tour; exit code 1 where something was not as it must be')
    .addOption(jsonOption('print one JSON object a line: how to sign in, every step, the end'))
    .addHelpText(
      'after',
      `${example('drawbridge demo', 'drawbridge demo --once')}

Without --once both stay up behind the tour, for you to sign in, until Ctrl-C. Nothing but loopback is used, and nothing
stays on the disk.`,
    )
    .action(async (options: DemoOptions) => cli.exit(await demo(options, cli)));
}

async function demo(options: DemoOptions, { terminal }: Cli): Promise<number> {
  const interrupted = interruption();
  const { Stage } = await import('../demo/stage.ts');
  const stage = await Stage.build();
  // However this process ends, its gateways and its folder do not stay.
  const closeNow = (): void => stage.closeNow();
  process.once('exit', closeNow);
  try {
    return await show(stage, options, terminal, interrupted);
  } finally {
    await stage.close();
    process.off('exit', closeNow);
  }
}

/** Resolves with the exit code when the demo is over. */
async function show(
  stage: Stage,
  { once: ends = false, json = false }: DemoOptions,
  terminal: Terminal,
  interrupted: AbortSignal,
): Promise<number> {
  const { jsonReport, textReport } = await import('../demo/report.ts');
  const { steps } = await import('../demo/tour.ts');
  const { tour } = await import('../demo/step.ts');
  const report = json ? jsonReport : textReport(process.stdout.isTTY === true && !process.env.NO_COLOR);
  terminal.out(report.opening([stage.contoso, stage.fabrikam], stage.northwind, stage.folder));
  const signal = ends ? AbortSignal.any([interrupted, AbortSignal.timeout(ONCE_MS)]) : interrupted;
  const findings: Finding[] = [];
  for await (const finding of tour(steps, stage, signal)) {
    if (interrupted.aborted) return exit.interrupted;
    findings.push(finding);
    terminal.out(report.finding(finding));
  }
  terminal.out(report.closing(findings, steps.length));
  const good = findings.length === steps.length && findings.every(({ holds }) => holds);
  if (!good) {
    stage.keepFolder();
    terminal.err(`The logs of both gateways stay in ${stage.folder}`);
  }
  if (!ends) {
    stage.dismiss();
    if (!json) terminal.out('Both gateways stay up. Ctrl-C ends them.');
    if (!interrupted.aborted) await once(interrupted, 'abort');
  }
  return good ? exit.good : exit.found;
}

/** Aborted by Ctrl-C or SIGTERM; whoever asks again ends the process at once. */
function interruption(): AbortSignal {
  const interrupted = new AbortController();
  let first = 0;
  const stop = (): void => {
    if (!interrupted.signal.aborted) first = performance.now();
    else if (performance.now() - first > ECHO_MS) process.exit(exit.interrupted);
    interrupted.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return interrupted.signal;
}
