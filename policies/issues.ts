import type { z } from 'zod';
import { type Finding, keyPathText } from './finding.ts';
import { byNearness, nearest } from './nearest.ts';
import { descriptionAt, keysAt, memberOf } from './shape.ts';
import type { Source } from './source.ts';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/**
 * Turns what a schema objects to into findings an administrator can act on, at most `most` of them; `raw` is the value
 * as it was read.
 */
export function findingsOf(
  issues: readonly Issue[],
  schema: z.ZodType,
  raw: unknown,
  source: Source,
  most: number,
): Finding[] {
  const context = { schema, raw, source, most };
  const findings: Finding[] = [];
  for (const issue of issues) {
    if (findings.length >= most) break;
    findings.push(...explain(issue, issue.path, context));
  }
  return findings.slice(0, most);
}

/** Objections to the value as a whole: where there is none, the key is missing. */
const TYPE_ISSUES: ReadonlySet<string | undefined> = new Set(['invalid_type', 'invalid_value', 'invalid_union']);

interface Context {
  readonly schema: z.ZodType;
  readonly raw: unknown;
  readonly source: Source;
  readonly most: number;
}

function explain(issue: Issue, path: Path, context: Context): Finding[] {
  if (TYPE_ISSUES.has(issue.code) && path.length > 0 && valueAt(context.raw, path) === undefined) {
    return [missing(path, context)];
  }
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.slice(0, context.most).map((key) => unknownKey(key, path, context));
    case 'invalid_type':
      return [wrongType(issue, path, context)];
    case 'invalid_value':
      return [wrongValue(issue.values.map(String), path, context)];
    case 'invalid_union':
      return wrongUnion(issue, path, context);
    case 'invalid_key':
      return [found(`\`${String(path.at(-1))}\` is no name here: ${issue.issues[0]?.message}`, path, context)];
    case 'too_small':
      return [found(bound('at least', issue.minimum, issue.origin), path, context)];
    case 'too_big':
      return [found(bound('at most', issue.maximum, issue.origin), path, context)];
    case 'custom':
      return [found(issue.message, path, context, remedyOf(issue.params))];
    default:
      return [found(issue.message, path, context)];
  }
}

function unknownKey(key: string, path: Path, context: Context): Finding {
  const keys = keysAt(context.schema, path, context.raw);
  const meant = nearest(key, keys);
  const own = [...path, key];
  return {
    severity: 'error',
    place: context.source.keyPlace(own),
    path: keyPathText(own),
    message: `unknown key \`${key}\`${meant === undefined ? '' : `: did you mean \`${meant}\`?`}`,
    remedy: `keys here: ${byNearness(key, keys).join(', ')}`,
  };
}

function missing(path: Path, context: Context): Finding {
  const key = String(path.at(-1));
  const meaning = descriptionAt(context.schema, path, context.raw);
  const remedy = meaning === undefined ? undefined : `\`${key}\`: ${meaning}`;
  return found(`the key \`${key}\` is missing`, path, context, remedy);
}

function wrongType(issue: z.core.$ZodIssueInvalidType, path: Path, context: Context): Finding {
  const value = valueAt(context.raw, path);
  const own = issue.message.startsWith('Invalid input')
    ? `expected ${TYPES[issue.expected] ?? issue.expected}`
    : issue.message;
  return found(`${own}, found ${shown(value, path)}`, path, context, descriptionAt(context.schema, path, context.raw));
}

function wrongValue(values: readonly string[], path: Path, context: Context): Finding {
  const value = valueAt(context.raw, path);
  const listed = byNearness(String(value), values);
  const meant = nearest(String(value), values);
  return found(
    `${shown(value, path)} is not one of: ${listed.join(', ')}`,
    path,
    context,
    meant === undefined ? undefined : `did you mean \`${meant}\`?`,
  );
}

/** The branch whose outer type fits speaks for the union; where none fits, the union itself does. */
function wrongUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path, context: Context): Finding[] {
  const { options } = issue as { options?: readonly unknown[] };
  if (options !== undefined) return [wrongValue(options.map(String), path, context)];
  const fitting = issue.errors.filter((branch) => !branch.some((one) => one.path.length === 0 && isShallow(one)));
  const branch = fitting.length === 1 ? fitting[0] : undefined;
  if (branch !== undefined) return branch.flatMap((one) => explain(one, [...path, ...one.path], context));
  const message = issue.message === 'Invalid input' ? 'this value does not fit' : issue.message;
  return [
    found(
      `${message}, found ${shown(valueAt(context.raw, path), path)}`,
      path,
      context,
      descriptionAt(context.schema, path, context.raw),
    ),
  ];
}

function isShallow(issue: Issue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}

function found(message: string, path: Path, { source }: Context, remedy?: string): Finding {
  return { severity: 'error', place: source.place(path), path: keyPathText(path), message, remedy };
}

function bound(word: string, limit: number | bigint, origin: string): string {
  if (origin === 'array') return `needs ${word} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  if (origin === 'string') return `needs ${word} ${limit} ${limit === 1 ? 'character' : 'characters'}`;
  return `must be ${word} ${limit}`;
}

function remedyOf(params: Readonly<Record<string, unknown>> | undefined): string | undefined {
  return typeof params?.remedy === 'string' ? params.remedy : undefined;
}

function valueAt(raw: unknown, path: Path): unknown {
  return path.reduce(memberOf, raw);
}

/** Keys whose values stand in no finding. */
const SECRET = /secret|password/i;

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of keys',
  record: 'a map of keys',
};

function shown(value: unknown, path: Path): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map of keys';
  if (SECRET.test(String(path.at(-1)))) return `a ${typeof value}`;
  const text = String(value);
  return `\`${text.length > 60 ? `${text.slice(0, 60)}…` : text}\``;
}
