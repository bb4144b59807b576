import { Fault, type Place } from '../../policies/fault.ts';
import type { Finding } from '../../policies/finding.ts';
import { exit } from './cli.ts';
import { placeText } from './place-text.ts';
import type { Terminal } from './terminal.ts';

/** What part of the gateway an observation is about. */
export type Area =
  | 'configuration'
  | 'policies'
  | 'certificates'
  | 'trust'
  | 'dns'
  | 'state'
  | 'log'
  | 'listeners'
  | 'home';

/** One line of `check`: what was looked at, and how it stands. */
export interface Observation {
  /** An `error` keeps the gateway from its work; a `warning` is worth a look. */
  readonly severity: 'error' | 'warning' | 'ok';
  readonly area: Area;
  readonly message: string;
  readonly place?: Place | undefined;
  /** What the reader can do about it. */
  readonly remedy?: string | undefined;
}

type Detail = Pick<Observation, 'place' | 'remedy'>;

export function ok(area: Area, message: string): Observation {
  return { severity: 'ok', area, message };
}

export function warning(area: Area, message: string, detail: Detail = {}): Observation {
  return { severity: 'warning', area, message, ...detail };
}

export function error(area: Area, message: string, detail: Detail = {}): Observation {
  return { severity: 'error', area, message, ...detail };
}

/** What was thrown, as an error; a Fault without a place of its own gets `place`. */
export function ofThrown(area: Area, thrown: unknown, place?: Place): Observation {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const fault = thrown instanceof Fault ? thrown : undefined;
  return error(area, message, { place: fault?.place ?? place, remedy: fault?.remedy });
}

export function ofFinding(area: Area, { severity, message, place, remedy }: Finding): Observation {
  return { severity, area, message, place, remedy };
}

/** Prints observations, one a line or as one JSON object, and returns the exit code they amount to. */
export function report(terminal: Terminal, observations: readonly Observation[], json: boolean): number {
  const count = (severity: Observation['severity']) => observations.filter((one) => one.severity === severity).length;
  const errors = count('error');
  const warnings = count('warning');
  if (json) terminal.out(JSON.stringify({ findings: observations.map(plain), errors, warnings }));
  else {
    for (const one of observations) terminal.out(observationText(one));
    terminal.out(`${number(errors, 'error')}, ${number(warnings, 'warning')}`);
  }
  return errors > 0 ? exit.found : exit.good;
}

/** `warning  dns            … (gateway.yaml:8:3) → …` */
function observationText({ severity, area, message, place, remedy }: Observation): string {
  const where = place === undefined ? '' : ` (${placeText(place)})`;
  const what = remedy === undefined ? '' : ` → ${remedy}`;
  return `${severity.padEnd(7)}  ${area.padEnd(13)}  ${message}${where}${what}`;
}

function plain({ severity, area, message, place, remedy }: Observation): Record<string, unknown> {
  return { severity, area, message, place: place ?? null, remedy: remedy ?? null };
}

function number(count: number, noun: string): string {
  return `${count === 0 ? 'no' : count} ${noun}${count === 1 ? '' : 's'}`;
}
