/** One line of a gateway's log. */
export interface LogLine {
  readonly event: string;
  readonly [fact: string]: unknown;
}

/** undefined where the text is no log line. */
export function readLogLine(text: string): LogLine | undefined {
  try {
    const line: unknown = JSON.parse(text);
    return typeof line === 'object' && line !== null && 'event' in line ? (line as LogLine) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a line has all of these facts. */
export function having(facts: Readonly<Record<string, unknown>>): (line: LogLine) => boolean {
  return (line) => Object.entries(facts).every(([name, fact]) => line[name] === fact);
}
