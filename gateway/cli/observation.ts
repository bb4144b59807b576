import { Fault, type Place } from '../../policies/fault.ts';
import type { Finding } from '../../policies/finding.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
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
  | 'home'
  | 'connection'
  | 'tls'
  | 'proof'
  | 'stream'
  | 'ping'
  | 'sip';

/** One line of `check` or of a probe: what was looked at, and how it stands. */
export interface Observation {
  /** An `error` keeps the gateway from its work; a `warning` is worth a look. */
  readonly severity: 'error' | 'warning' | 'ok';
  readonly area: Area;
  readonly message: string;
  /** The code of the registry, where one says what is wrong. */
  readonly reason?: ReasonCode | undefined;
  readonly place?: Place | undefined;
  /** What the reader can do about it. */
  readonly remedy?: string | undefined;
}

type Detail = Pick<Observation, 'reason' | 'place' | 'remedy'>;

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
  return error(area, message, { reason: fault?.code, place: fault?.place ?? place, remedy: fault?.remedy });
}

export function ofFinding(area: Area, { severity, message, place, remedy }: Finding): Observation {
  return { severity, area, message, place, remedy };
}

/** Prints observations, one a line or as one JSON object, and returns the exit code they amount to. */
export function report(terminal: Terminal, observations: readonly Observation[], json: boolean): number {
  const whole = new Report(terminal, json);
  for (const one of observations) whole.add(one);
  return whole.end();
}

/** Observations as they are made: a line each at once, or (`json`) all in one object at the end. */
export class Report {
  readonly #terminal: Terminal;
  readonly #json: boolean;
  readonly #observations: Observation[] = [];

  constructor(terminal: Terminal, json: boolean) {
    this.#terminal = terminal;
    this.#json = json;
  }

  get errors(): number {
    return this.#count('error');
  }

  get lines(): readonly string[] {
    return this.#observations.map(observationText);
  }

  add(...observations: readonly Observation[]): void {
    this.#observations.push(...observations);
    if (!this.#json) for (const one of observations) this.#terminal.out(observationText(one));
  }

  /** Says what is under way to a person who watches. */
  progress(what: string): void {
    if (this.#terminal.watched && !this.#json) this.#terminal.err(`${what} …`);
  }

  /** Counts up, with `more` beside the findings of the JSON object; returns the exit code. */
  end(more: Readonly<Record<string, unknown>> = {}): number {
    const [errors, warnings] = [this.errors, this.#count('warning')];
    if (this.#json) {
      this.#terminal.out(JSON.stringify({ ...more, findings: this.#observations.map(plain), errors, warnings }));
    } else this.#terminal.out(`${number(errors, 'error')}, ${number(warnings, 'warning')}`);
    return errors > 0 ? exit.found : exit.good;
  }

  #count(severity: Observation['severity']): number {
    return this.#observations.filter((one) => one.severity === severity).length;
  }
}

/** `warning  dns            … [dns-timeout] (gateway.yaml:8:3) → …` */
function observationText({ severity, area, message, reason, place, remedy }: Observation): string {
  const code = reason === undefined ? '' : ` [${reason}]`;
  const where = place === undefined ? '' : ` (${placeText(place)})`;
  const what = remedy === undefined ? '' : ` → ${remedy}`;
  return `${severity.padEnd(7)}  ${area.padEnd(13)}  ${message}${code}${where}${what}`;
}

function plain({ severity, area, message, reason, place, remedy }: Observation): Record<string, unknown> {
  const code = reason === undefined ? {} : { reason };
  return { severity, area, message, ...code, place: place ?? null, remedy: remedy ?? null };
}

function number(count: number, noun: string): string {
  return `${count === 0 ? 'no' : count} ${noun}${count === 1 ? '' : 's'}`;
}
