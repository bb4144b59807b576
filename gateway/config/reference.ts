import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reasons } from '../../policies/reasons.ts';
import { policyJsonSchema } from '../../policies/schema.ts';
import { gatewayJsonSchema } from './schema.ts';

/** The part of JSON Schema that our schemas come out as. */
interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
}

const BEGIN = '<!-- reference:begin -->';
const END = '<!-- reference:end -->';

/** The configuration reference in Markdown, from the schemas of gateway.yaml and of a policy. */
export function reference(): string {
  return [
    '### gateway.yaml',
    '',
    'Paths are relative to the file. Unknown keys are errors.',
    '',
    ...table(gatewayJsonSchema()),
    '',
    '### A policy file',
    '',
    '`policies/defaults.yaml` has the same keys without `partner`, `domains`, `trunk` and `numbers`. A section of a partner',
    'replaces the one of the defaults; `groups` and `limits` are merged key by key.',
    '',
    ...table(policyJsonSchema()),
    '',
    '### Reasons',
    '',
    'What log lines, `check` and `policy explain` say as `reason`. The partner sees only the stanza error condition.',
    '',
    '| reason | stanza error | meaning |',
    '| --- | --- | --- |',
    ...Object.entries(reasons).map(([code, { xmpp, type, operator }]) => {
      return `| \`${code}\` | ${type === 'continue' ? '–' : `\`${xmpp}\``} | ${operator} |`;
    }),
  ].join('\n');
}

/** A README with the reference between its markers brought up to date. Throws RangeError where the markers are missing. */
export function withReference(readme: string): string {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin) throw new RangeError(`README.md has no ${BEGIN} … ${END}`);
  return `${readme.slice(0, begin + BEGIN.length)}\n${reference()}\n${readme.slice(end)}`;
}

function table(schema: JsonSchema): string[] {
  return ['| key | type | default | meaning |', '| --- | --- | --- | --- |', ...rows(schema, '')];
}

function rows(schema: JsonSchema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) => {
    const path = `${prefix}${key}`;
    const required = schema.required?.includes(key) === true;
    return [row(path, property, required), ...below(property, path)];
  });
}

/** The keys inside a value: of a map, of the entries of a list, of each form of a choice. */
function below(schema: JsonSchema, path: string): string[] {
  if (schema.properties !== undefined) return rows(schema, `${path}.`);
  if (schema.items?.properties !== undefined) return rows(schema.items, `${path}[].`);
  return (schema.oneOf ?? []).flatMap((form) => rows(form, `${path}.`));
}

function row(path: string, schema: JsonSchema, required: boolean): string {
  const cells = [`\`${path}\``, typeText(schema), defaultText(schema, required), schema.description ?? ''];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function defaultText(schema: JsonSchema, required: boolean): string {
  if (required) return 'required';
  if (schema.default === undefined || schema.properties !== undefined) return '';
  return `\`${typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default)}\``;
}

function typeText(schema: JsonSchema): string {
  if (schema.title !== undefined) return schema.title;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.items !== undefined) return `list of ${typeText(schema.items)}`;
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeText).join(' or ');
  if (schema.properties !== undefined) return 'map';
  if (typeof schema.additionalProperties === 'object')
    return `map of names to ${typeText(schema.additionalProperties)}`;
  if (schema.type === 'integer') return `${schema.minimum} to ${schema.maximum}`;
  if (schema.type === 'boolean') return '`true`, `false`';
  return schema.type === 'string' ? 'text' : 'map';
}

/** `node gateway/config/reference.ts` prints the reference; with `--write` it brings README.md up to date. */
if (import.meta.main) {
  if (process.argv.includes('--write')) {
    const file = join(import.meta.dirname, '../../README.md');
    await writeFile(file, withReference(await readFile(file, 'utf8')));
  } else process.stdout.write(`${reference()}\n`);
}
