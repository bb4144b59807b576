import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Which vitest projects each suite is made of. */
const suites: Readonly<Record<string, readonly string[]>> = {
  unit: ['unit'],
  peers: ['peers'],
  all: ['unit', 'peers'],
};

/** The part read of the report that vitest's `json` reporter writes. */
export interface Report {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * Sums the tests of a run. A file or hook that failed while no test of the file did (it could not be loaded, or its set-up threw) counts as one failure,
 * and so does a run that ended badly for a reason no file shows, such as an unhandled error.
 */
export function count(report: Report | undefined, exitCode: number): Count {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { status, assertionResults } of report?.testResults ?? []) {
    const failedBefore = total.failed;
    for (const test of assertionResults) {
      if (test.status === 'passed') total.passed += 1;
      else if (test.status === 'failed') total.failed += 1;
      else total.skipped += 1;
    }
    if (status === 'failed' && total.failed === failedBefore) total.failed += 1;
  }
  if (exitCode !== 0 && total.failed === 0) total.failed = 1;
  return total;
}

/** Runs a suite with what vitest prints by default; the last line is `N passed, N failed, N skipped`. Returns the exit code: 0 good, 1 a failure, 2 wrong use. */
export async function runTests([suite = 'all', ...rest]: readonly string[]): Promise<number> {
  const projects = suites[suite];
  if (projects === undefined) {
    console.error(`usage: node conformance/run-tests.ts ${Object.keys(suites).join('|')} [vitest arguments]`);
    return 2;
  }
  const folder = await mkdtemp(join(tmpdir(), 'drawbridge-tests-'));
  try {
    const file = join(folder, 'report.json');
    const exitCode = await vitest([
      ...projects.flatMap((project) => ['--project', project]),
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${file}`],
      ...rest,
    ]);
    const { passed, failed, skipped } = count(await readReport(file), exitCode);
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    return failed > 0 ? 1 : 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** In the foreground: an interrupt from the terminal reaches vitest by itself, a SIGTERM is passed on. */
function vitest(args: readonly string[]): Promise<number> {
  const program = join(import.meta.dirname, '../node_modules/vitest/vitest.mjs');
  const child = spawn(process.execPath, [program, 'run', ...args], { stdio: 'inherit' });
  const pass = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGTERM', pass).on('SIGINT', pass);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      process.off('SIGTERM', pass).off('SIGINT', pass);
      resolve(code ?? 1);
    });
  });
}

/** undefined when vitest ended before it could report. */
async function readReport(file: string): Promise<Report | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Report;
  } catch {
    return undefined;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = await runTests(process.argv.slice(2));
}
