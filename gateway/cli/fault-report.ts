import { CommanderError } from 'commander';
import { asFault, codeOf, Fault } from '../../policies/fault.ts';
import type { Finding } from '../../policies/finding.ts';
import { FindingsFault } from '../../policies/findings-fault.ts';
import { exit } from './cli.ts';
import { placeText } from './place-text.ts';
import type { Terminal } from './terminal.ts';

/**
 * Says what went wrong, for people or (`json`) as `{ "error": … }`, and returns the exit code. `command` is as much of
 * the command line as was understood, for a pointer to its help.
 */
export function reportThrown(terminal: Terminal, thrown: unknown, json: boolean, command = 'drawbridge'): number {
  if (thrown instanceof CommanderError) {
    // Help and version were asked for, or stand on stderr already because no command was given.
    if (/^commander\.(help|version)/.test(thrown.code)) return thrown.exitCode === 0 ? exit.good : exit.wrongUse;
    return reportThrown(terminal, wrongUse(thrown, command), json);
  }
  const fault = asFault(thrown);
  if (json) {
    const findings = errorsOf(fault).map(plain);
    terminal.out(JSON.stringify({ error: { code: fault.code, ...plain(fault), findings } }));
  } else for (const line of faultLines(fault)) terminal.err(line);
  if (codeOf(thrown) === 'internal') terminal.err(stackOf(thrown));
  return fault.code === 'wrong-use' ? exit.wrongUse : exit.found;
}

/** `error CODE: message (file:line:column)` and the remedy below it; of a faulty file a pair for each finding. */
function faultLines(fault: Fault): string[] {
  const errors = errorsOf(fault);
  return (errors.length > 0 ? errors : [fault]).flatMap(({ message, place, remedy }) => [
    `error ${fault.code}: ${message}${place === undefined ? '' : ` (${placeText(place)})`}`,
    ...(remedy === undefined ? [] : [`  → ${remedy}`]),
  ]);
}

function errorsOf(fault: Fault): readonly Finding[] {
  return fault instanceof FindingsFault ? fault.findings.filter(({ severity }) => severity === 'error') : [];
}

function plain({ message, place, remedy }: Fault | Finding): Record<string, unknown> {
  return { message, place: place ?? null, remedy: remedy ?? null };
}

function wrongUse({ message }: CommanderError, command: string): Fault {
  const [said = '', suggestion] = message.replace(/^error: /, '').split('\n');
  const remedy = suggestion?.replace(/^\((.*)\)$/, '$1') ?? `See \`${command} --help\`.`;
  return new Fault('wrong-use', said, { remedy });
}

function stackOf(thrown: unknown): string {
  return `This is a defect of Drawbridge. ${thrown instanceof Error ? thrown.stack : ''}`;
}
