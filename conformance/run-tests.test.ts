import { describe, expect, it } from 'vitest';
import { count, type Report } from './run-tests.ts';

function report(...files: [status: string, tests: string[]][]): Report {
  return {
    testResults: files.map(([status, tests]) => ({
      status,
      assertionResults: tests.map((test) => ({ status: test })),
    })),
  };
}

describe('the count of a test run', () => {
  it.each([
    {
      of: 'passed, skipped and to-do tests',
      report: report(['passed', ['passed', 'skipped', 'todo', 'pending']], ['passed', ['passed']]),
      exitCode: 0,
      expected: { passed: 2, failed: 0, skipped: 3 },
    },
    {
      of: 'failed tests, each once though their file failed too',
      report: report(['failed', ['passed', 'failed', 'failed']]),
      exitCode: 1,
      expected: { passed: 1, failed: 2, skipped: 0 },
    },
    {
      of: 'files that could not be loaded, beside a failed test',
      report: report(['failed', []], ['failed', ['skipped']], ['failed', ['failed']]),
      exitCode: 1,
      expected: { passed: 0, failed: 3, skipped: 1 },
    },
    {
      of: 'an unhandled error, which only the exit code tells',
      report: report(['passed', ['passed']]),
      exitCode: 1,
      expected: { passed: 1, failed: 1, skipped: 0 },
    },
    { of: 'a crash without a report', report: undefined, exitCode: 1, expected: { passed: 0, failed: 1, skipped: 0 } },
  ])('covers $of', ({ report, exitCode, expected }) => {
    expect(count(report, exitCode)).toEqual(expected);
  });
});
