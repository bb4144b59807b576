import { type Alias, type Document, isNode, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { type Finding, inOrder } from './finding.ts';
import { findingsOf } from './issues.ts';
import { keyText, Source } from './source.ts';

export type { Source } from './source.ts';

/** Aliases of one file, and their expansions: enough for the anchors people write, far too few for a bomb. */
const ALIASES = 100;
/** Findings reported of one file: who has more starts with these. */
const FINDINGS = 50;

/** A file that was read, and everything needed to say where in it something stands. */
export interface Reading<T> {
  readonly value: T;
  readonly source: Source;
}

/**
 * Reads a YAML text against a schema. Never throws: what is wrong comes back as findings, sorted by place.
 * `file` only names the text. An absent document (empty, or comments alone) is read as `empty` where that is given.
 */
export function readDocument<T>(
  text: string,
  file: string,
  schema: z.ZodType<T>,
  empty?: unknown,
): Reading<T> | { readonly findings: Finding[] } {
  const lines = new LineCounter();
  let document: Document;
  try {
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2', uniqueKeys: false });
  } catch (error) {
    return { findings: [unreadable(file, error)] };
  }
  const source = new Source(file, text, document, lines);
  try {
    const errors = [...document.errors, ...document.warnings].slice(0, FINDINGS);
    const syntax = errors.length > 0 ? errors.map((error) => syntaxFinding(source, error)) : misuses(source, document);
    if (syntax.length > 0) return { findings: inOrder(syntax).slice(0, FINDINGS) };
    const raw: unknown = document.toJS({ maxAliasCount: ALIASES }) ?? empty ?? null;
    const parsed = schema.safeParse(raw);
    if (parsed.success) return { value: parsed.data, source };
    return { findings: inOrder(findingsOf(parsed.error.issues, schema, raw, source, FINDINGS)) };
  } catch (error) {
    return { findings: [unreadable(file, error)] };
  }
}

/** What parses and yet cannot be meant: keys that stand twice in a map, aliases of nothing, aliases without number. */
function misuses(source: Source, document: Document): Finding[] {
  const findings: Finding[] = [];
  const aliases: Alias[] = [];
  const say = (node: unknown, message: string, remedy: string) => {
    const place = source.at((isNode(node) ? node.range?.[0] : undefined) ?? 0);
    findings.push({ severity: 'error', place, path: '', message, remedy });
  };
  visit(document, {
    Alias: (_key, alias) => (aliases.push(alias) > ALIASES ? visit.BREAK : undefined),
    Map: (_key, map) => {
      const keys = new Set<string>();
      for (const { key } of map.items) {
        const text = keyText(key);
        if (keys.has(text)) say(key, `the key \`${text}\` stands here twice`, 'keep one of the two');
        keys.add(text);
      }
    },
  });
  if (aliases.length > ALIASES) throw new RangeError('the file has too many aliases');
  for (const alias of aliases) {
    if (alias.resolve(document) !== undefined) continue;
    const message = `in YAML \`*${alias.source}\` is an alias, and nothing is anchored by that name`;
    say(alias, message, `put the text in quotes: "*${alias.source}"`);
  }
  return findings;
}

function unreadable(file: string, error: unknown): Finding {
  const reason = error instanceof Error ? error.message : String(error);
  const alias = reason.toLowerCase().includes('alias');
  return {
    severity: 'error',
    place: { file, line: 1, column: 1 },
    path: '',
    message: alias ? `an alias of this file cannot be followed: ${reason}` : `not readable as YAML: ${reason}`,
    remedy: alias ? `write the values out; a file may expand ${ALIASES} aliases` : 'nest less deeply',
  };
}

function syntaxFinding(source: Source, error: { code: string; message: string; pos: [number, number] }): Finding {
  const known = SYNTAX[error.code];
  return {
    severity: 'error',
    place: source.at(error.pos[0]),
    path: '',
    message: known?.message ?? `not YAML: ${error.message}`,
    remedy: known?.remedy,
  };
}

/** What the parser's codes mean to someone who edits a policy. */
const SYNTAX: Readonly<Record<string, { readonly message: string; readonly remedy: string }>> = {
  TAB_AS_INDENT: { message: 'YAML is not indented with tabs', remedy: 'indent with spaces' },
  MULTIPLE_DOCS: { message: 'a second document begins here', remedy: 'one file holds one document: remove the `---`' },
  TAG_RESOLVE_FAILED: {
    message: 'YAML tags (`!…`) are not understood here',
    remedy: 'remove the tag or quote the text',
  },
  BAD_SCALAR_START: { message: 'a text cannot start with this character unquoted', remedy: 'put the text in quotes' },
  BAD_ALIAS: { message: 'an asterisk begins an alias in YAML', remedy: 'put the text in quotes' },
};
