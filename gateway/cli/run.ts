import { once } from 'node:events';
import { flushCompileCache } from 'node:module';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Cli, configOption, example, exit, jsonOption } from './cli.ts';
import { reportThrown } from './fault-report.ts';

/** How long what was closed may keep the process after that, ms: nothing should. */
const LINGER_MS = 5_000;

interface RunOptions {
  readonly config: string;
  readonly json?: boolean;
}

/** `run`: the daemon. */
export function addRun(program: Command, cli: Cli): void {
  program
    .command('run')
    .description('Run the gateway. Prints one JSON line when every listener accepts.')
    .addOption(configOption())
    .addOption(jsonOption('print faults as JSON too; the ready line always is'))
    .addHelpText(
      'after',
      `${example('drawbridge run -c gateway.yaml')}

Signals: SIGHUP reads policies and certificates again, SIGINT and SIGTERM flush and stop, a second one stops at once.`,
    )
    .action(async (options: RunOptions) => run(options, cli));
}

async function run({ config, json = false }: RunOptions, cli: Cli): Promise<void> {
  const { terminal } = cli;
  const stop = stopSignal();
  const { startGateway } = await import('../gateway.ts');
  const gateway = await startGateway(resolve(config));
  process.on('SIGHUP', () => {
    gateway.reload().catch((thrown: unknown) => reportThrown(terminal, thrown, json));
  });
  terminal.out(JSON.stringify(gateway.ready));
  // Else it is written by a good end only, and a daemon may have none.
  flushCompileCache();
  const stopped = stop.aborted ? undefined : once(stop, 'abort').then(() => undefined);
  const broken = await Promise.race([stopped, gateway.broken]);
  await gateway.close();
  if (broken !== undefined) cli.exit(reportThrown(terminal, broken, json));
  setTimeout(() => {
    terminal.err('error internal: something still runs after the gateway has closed; ending it');
    process.exit();
  }, LINGER_MS).unref();
}

/** Aborted by the first signal to stop, also while the gateway is still starting; the second ends the process. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  const interrupted = (): void => {
    if (stop.signal.aborted) process.exit(exit.interrupted);
    stop.abort();
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  return stop.signal;
}
