import { ns } from './namespaces.ts';
import { attributeValue, unescapeXml } from './xml.ts';

/** What stands for the default namespace of whatever stream an element is written on. */
export const STREAM_DEFAULT = '(default of the stream)';

/** What an element means, its spelling forgotten. */
export interface Meaning {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly content: readonly (Meaning | string)[];
}

interface Scope {
  readonly depth: number;
  readonly bindings: Readonly<Record<string, string>>;
}

const TOKEN =
  /<!\[CDATA\[([\s\S]*?)\]\]>|<\/[^>]*>|<([\w.:-]+)((?:\s+[\w.:-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>|[^<]+/gy;
const ATTRIBUTE = /\s+([\w.:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/gy;

/**
 * Reads the meaning of one well-formed element standing at the top of a stream whose header binds these prefixes. A
 * stanza or child that names the content namespace means the stream's default.
 */
export function meaningOf(
  xml: string,
  streamPrefixes: Readonly<Record<string, string>> = {},
  content: string = ns.server,
): Meaning {
  const top: (Meaning | string)[] = [];
  const open: { scope: Scope; content: (Meaning | string)[] }[] = [
    { scope: { depth: 0, bindings: { '': STREAM_DEFAULT, xml: ns.xml, ...streamPrefixes } }, content: top },
  ];
  for (const token of xml.matchAll(TOKEN)) {
    const inside = open.at(-1) as (typeof open)[number];
    const [text, cdata, name, attributes, empty] = token;
    if (name === undefined) {
      if (text.startsWith('</')) open.pop();
      else addText(inside.content, cdata ?? unescapeXml(text));
      continue;
    }
    const listed = [...(attributes as string).matchAll(ATTRIBUTE)].map(
      ([, key, a, b]) => [key as string, attributeValue(a ?? b ?? '')] as const,
    );
    const scope = innerScope(inside.scope, listed, content);
    const element = {
      name: expand(name, scope, ''),
      attributes: Object.fromEntries(
        listed
          .filter(([key]) => key !== 'xmlns' && !key.startsWith('xmlns:'))
          .map(([key, value]) => [key.includes(':') ? expand(key, scope) : key, value] as const)
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      ),
      content: [],
    };
    inside.content.push(element);
    if (empty === '') open.push({ scope, content: element.content });
  }
  if (top.length !== 1 || typeof top[0] !== 'object' || open.length !== 1) throw new Error(`No single element: ${xml}`);
  return top[0];
}

function innerScope(outer: Scope, attributes: readonly (readonly [string, string])[], content: string): Scope {
  const bindings = { ...outer.bindings };
  const depth = outer.depth + 1;
  for (const [key, value] of attributes) {
    if (key === 'xmlns')
      bindings[''] = value === content && depth <= 2 && outer.bindings[''] === STREAM_DEFAULT ? STREAM_DEFAULT : value;
    else if (key.startsWith('xmlns:')) bindings[key.slice('xmlns:'.length)] = value;
  }
  return { depth, bindings };
}

function expand(name: string, scope: Scope, defaultPrefix?: string): string {
  const [prefix, local] = name.includes(':') ? name.split(':') : [defaultPrefix, name];
  const uri = scope.bindings[prefix ?? ''];
  if (uri === undefined) throw new Error(`Unbound prefix in ${name}`);
  return `{${uri}}${local}`;
}

function addText(content: (Meaning | string)[], text: string): void {
  const last = content.at(-1);
  if (typeof last === 'string') content[content.length - 1] = last + text;
  else if (text !== '') content.push(text);
}
