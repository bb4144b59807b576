/** What `npm run bench` was asked for. */
export interface BenchArguments {
  readonly name: string;
  /** One line of JSON at the end. */
  readonly json: boolean;
  /** Fewer rounds: a look, not a measurement. */
  readonly quick: boolean;
  /** The partner of `s2s` has stream management, as Prosody's default has. */
  readonly acks: boolean;
}

const flags = ['json', 'quick', 'acks'] as const;

/** Reads `NAME [--json] [--quick] [--acks]`, in any order; undefined where it is something else. */
export function readArguments(args: readonly string[]): BenchArguments | undefined {
  const names = args.filter((arg) => !arg.startsWith('--'));
  const asked = args.filter((arg) => arg.startsWith('--')).map((arg) => arg.slice(2));
  const [name] = names;
  if (name === undefined || names.length > 1) return undefined;
  if (asked.some((flag) => !flags.some((known) => known === flag))) return undefined;
  return {
    name,
    json: asked.includes('json'),
    quick: asked.includes('quick'),
    acks: asked.includes('acks'),
  };
}
