import { checkDefaultNamespace, NamespaceScope, splitName } from './namespace-scope.ts';
import { ns } from './namespaces.ts';
import { malformed, StreamFault } from './stream-error.ts';
import { duplicate, FROM, ID, LANG, PREFIXED, TO, TYPE, XMLNS } from './tag-attributes.ts';
import type { TagScanner } from './tag-scanner.ts';
import type { Vocabulary } from './vocabulary.ts';
import { escapeAttribute } from './xml.ts';

/** The opening of a stream, RFC 6120 §4.7. Absent attributes are ''. */
export interface StreamHeader {
  readonly to: string;
  readonly from: string;
  readonly id: string;
  readonly version: string;
  readonly lang: string;
  readonly contentNamespace: string;
  /** Whether the header declares `jabber:server:dialback`, which is how old peers announce dialback. */
  readonly dialback: boolean;
}

/** One top-level element with what its start tag says. Absent attributes are ''. */
export interface ScannedElement {
  readonly namespace: string;
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly type: string;
  readonly id: string;
  /** xml:lang of the element itself, else that of the stream (RFC 6120 §4.7.4). */
  readonly lang: string;
  readonly childNamespace: string;
  readonly childName: string;
  /** Child elements in all. */
  readonly children: number;
  /** In the content namespace: as it may be written on another stream. Else as received. */
  readonly bytes: Buffer;
}

interface Root {
  namespace: string;
  /** What elements without a prefix inherit from it. */
  defaultNamespace: string;
  name: string;
  from: string;
  to: string;
  type: string;
  id: string;
  lang: string;
  ownLang: boolean;
  childNamespace: string;
  childName: string;
  children: number;
  nameEnd: number;
}

/** What our own streams declare in their headers, so that it need not be repeated on stanzas. */
const DEFAULT_LANG = 'en';
const ROOT = 2;
const CHILD = 3;

/**
 * Reads the tags of one stream for the scanner: their nesting, their namespaces, and of the top-level element and its
 * first child what routing needs. Offsets count from the start of the top-level item.
 */
export class TagReader {
  readonly #tag: TagScanner;
  readonly #content: string;
  readonly #depth: number;
  /** Start and end of the names of the open elements, by level. */
  readonly #names: Int32Array;
  readonly #vocabulary: Vocabulary;
  readonly #scope = new NamespaceScope();
  #headerName = '';
  #streamLang = '';
  #root: Root = newRoot('', '');
  /** Redundant declarations of the content namespace: start and end of each. */
  #cuts: number[] = [];

  constructor(tag: TagScanner, contentNamespace: string, depth: number, vocabulary: Vocabulary) {
    this.#tag = tag;
    this.#content = contentNamespace;
    this.#depth = depth;
    this.#names = new Int32Array((depth + ROOT) * 2);
    this.#vocabulary = vocabulary;
  }

  restart(): void {
    this.#scope.clear();
  }

  /** The stream header has been read; its prefixes hold for every element behind it. */
  header(bytes: Buffer): StreamHeader {
    const { attributes } = this.#tag;
    this.#declare(bytes, 0, 0);
    this.#headerName = bytes.toString('latin1', this.#tag.nameStart, this.#tag.nameEnd);
    const [prefix, local] = splitName(this.#headerName);
    const attribute = (name: string): string => attributes.valueNamed(name, bytes, 0);
    const contentNamespace = attribute('xmlns');
    const namespace = prefix === '' ? contentNamespace : this.#scope.uriOf(prefix);
    if (namespace !== ns.streams) throw new StreamFault('invalid-namespace', 'stream-protocol', 'Not a stream header.');
    if (local !== 'stream') throw new StreamFault('bad-format', 'stream-protocol', `A <${local}/> opens no stream.`);
    if (contentNamespace !== this.#content) {
      throw new StreamFault('invalid-namespace', 'stream-protocol', `The stream is not of ${this.#content}.`);
    }
    this.#streamLang = attribute('xml:lang');
    return {
      to: attribute('to'),
      from: attribute('from'),
      id: attribute('id'),
      version: attribute('version'),
      lang: this.#streamLang,
      contentNamespace,
      dialback: this.#scope.binds(ns.dialback),
    };
  }

  /** A start tag inside the stream has ended. `item` is where its top-level element starts in the buffer. */
  open(buffer: Buffer, item: number, level: number): void {
    if (level - 1 > this.#depth) {
      throw new StreamFault('policy-violation', 'xml-restricted', `Nested deeper than ${this.#depth} elements.`);
    }
    this.#names[level * 2 - 2] = this.#tag.nameStart;
    this.#names[level * 2 - 1] = this.#tag.nameEnd;
    if (level === ROOT) this.#begin();
    if (this.#tag.attributes.prefixed) this.#declare(buffer, item, level);
    const declared = this.#defaultNamespace(buffer, item);
    if (level === ROOT) this.#openRoot(buffer, item, declared);
    else if (level === CHILD) this.#openChild(buffer, item, declared);
    else if (this.#tag.prefixed) this.#scope.uriOf(splitName(this.#name(buffer, item))[0]);
  }

  /** An end tag's name, compared with the element it must close. */
  close(level: number, buffer: Buffer, item: number, start: number, end: number): void {
    if (level < ROOT) {
      if (buffer.toString('latin1', item + start, item + end) !== this.#headerName) throw mismatched();
      return;
    }
    const open = this.#names[level * 2 - 2] as number;
    const length = (this.#names[level * 2 - 1] as number) - open;
    if (length !== end - start) throw mismatched();
    for (let k = 0; k < length; k++) if (buffer[item + open + k] !== buffer[item + start + k]) throw mismatched();
  }

  /** An element of this level is over: its prefixes with it. */
  leave(level: number): void {
    if (this.#scope.nested) this.#scope.leave(level);
  }

  /** The finished top-level element. */
  element(bytes: Buffer): ScannedElement {
    const root = this.#root;
    return {
      namespace: root.namespace,
      name: root.name,
      from: root.from,
      to: root.to,
      type: root.type,
      id: root.id,
      lang: root.lang,
      childNamespace: root.childNamespace,
      childName: root.childName,
      children: root.children,
      bytes: root.namespace === this.#content ? this.#portable(bytes, root) : bytes,
    };
  }

  #begin(): void {
    if (this.#cuts.length > 0) this.#cuts = [];
    if (this.#scope.borrowed.size > 0) this.#scope.borrowed.clear();
  }

  #openRoot(buffer: Buffer, item: number, declared: string | undefined): void {
    const { attributes } = this.#tag;
    const root = newRoot(this.#name(buffer, item), declared ?? this.#content);
    root.nameEnd = this.#tag.nameEnd;
    root.lang = this.#streamLang;
    this.#root = root;
    for (let n = 0; n < attributes.count; n++) {
      switch (attributes.kindOf(n)) {
        case TO:
          root.to = attributes.valueOf(n, buffer, item);
          break;
        case FROM:
          root.from = attributes.valueOf(n, buffer, item);
          break;
        case TYPE:
          root.type = attributes.valueOf(n, buffer, item);
          break;
        case ID:
          root.id = attributes.valueOf(n, buffer, item);
          break;
        case LANG:
          root.lang = attributes.valueOf(n, buffer, item);
          root.ownLang = true;
          break;
        case XMLNS:
          if (declared === this.#content) this.#cuts.push(...attributes.spanOf(n));
          break;
      }
    }
    if (this.#tag.prefixed) [root.namespace, root.name] = this.#qualified(root.name);
  }

  #openChild(buffer: Buffer, item: number, declared: string | undefined): void {
    const root = this.#root;
    root.children++;
    if (declared === this.#content) {
      this.#cuts.push(...this.#tag.attributes.spanOf(this.#tag.attributes.xmlns));
    }
    if (root.childName !== '' && !this.#tag.prefixed) return;
    let name = this.#name(buffer, item);
    let namespace = declared ?? root.defaultNamespace;
    if (this.#tag.prefixed) [namespace, name] = this.#qualified(name);
    if (root.childName !== '') return;
    root.childName = name;
    root.childNamespace = namespace;
  }

  /** Namespace and local name of a prefixed stanza or child of one. */
  #qualified(name: string): readonly [namespace: string, local: string] {
    const [prefix, local] = splitName(name);
    const namespace = this.#scope.uriOf(prefix);
    // What is in the content namespace must follow the stream it is written on, so it can only inherit it (RFC 6120 §4.8.3).
    if (namespace === this.#content) {
      throw new StreamFault('bad-namespace-prefix', 'stream-protocol', `<${name}/> has a prefix and may have none.`);
    }
    return [namespace, local];
  }

  #defaultNamespace(buffer: Buffer, item: number): string | undefined {
    const { attributes } = this.#tag;
    if (attributes.xmlns < 0) return undefined;
    const uri = attributes.namespaceOf(attributes.xmlns, buffer, item);
    checkDefaultNamespace(uri);
    return uri;
  }

  /** Takes the prefix declarations of a tag and resolves the prefixes of its attributes. */
  #declare(buffer: Buffer, item: number, level: number): void {
    const { attributes } = this.#tag;
    const names: (readonly [prefix: string, local: string])[] = [];
    for (let n = 0; n < attributes.count; n++) {
      if (attributes.kindOf(n) !== PREFIXED) continue;
      const name = splitName(attributes.nameOf(n, buffer, item));
      if (name[0] === 'xmlns') this.#scope.bind(name[1], attributes.namespaceOf(n, buffer, item), level);
      else names.push(name);
    }
    const expanded = new Set(names.map(([prefix, local]) => `${this.#scope.uriOf(prefix)} ${local}`));
    if (expanded.size !== names.length) throw duplicate();
  }

  #name(buffer: Buffer, item: number): string {
    return this.#vocabulary.read(buffer, item + this.#tag.nameStart, item + this.#tag.nameEnd);
  }

  /** RFC 6120 §4.8.3 and §4.7.4: nothing a stanza takes from its stream's header may be lost on the next stream. */
  #portable(bytes: Buffer, root: Root): Buffer {
    const { borrowed } = this.#scope;
    const addLang = !root.ownLang && root.lang !== '' && root.lang !== DEFAULT_LANG;
    if (this.#cuts.length === 0 && borrowed.size === 0 && !addLang) return bytes;
    const additions = [...borrowed].map(([prefix, uri]) => ` xmlns:${prefix}="${escapeAttribute(uri)}"`);
    if (addLang) additions.push(` xml:lang="${escapeAttribute(root.lang)}"`);
    const parts: Buffer[] = [bytes.subarray(0, root.nameEnd), Buffer.from(additions.join(''))];
    let from = root.nameEnd;
    for (let n = 0; n < this.#cuts.length; n += 2) {
      // The white space before the declaration stays: it still separates its neighbours.
      parts.push(bytes.subarray(from, this.#cuts[n]));
      from = this.#cuts[n + 1] as number;
    }
    parts.push(bytes.subarray(from));
    return Buffer.concat(parts);
  }
}

function newRoot(name: string, namespace: string): Root {
  return {
    namespace,
    defaultNamespace: namespace,
    name,
    from: '',
    to: '',
    type: '',
    id: '',
    lang: '',
    ownLang: false,
    childNamespace: '',
    childName: '',
    children: 0,
    nameEnd: 0,
  };
}

function mismatched(): StreamFault {
  return malformed('An end tag closes another element than the open one.');
}
