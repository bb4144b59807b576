import { ns } from './namespaces.ts';
import { StreamFault } from './stream-error.ts';
import { unescapeXml } from './xml.ts';

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
  /** In the content namespace: as it may be written on another stream. Else as received. */
  readonly bytes: Buffer;
}

export interface OpenTag {
  readonly buffer: Buffer;
  /** Where the top-level item starts in the buffer; every offset below counts from there. */
  readonly start: number;
  /** 2 for the top-level element, 3 for its children. */
  readonly level: number;
  readonly empty: boolean;
}

interface Binding {
  readonly prefix: string;
  readonly uri: string;
  readonly level: number;
}

interface RootFields {
  namespace: string;
  name: string;
  from: string;
  to: string;
  type: string;
  id: string;
  lang: string;
  ownLang: boolean;
  childNamespace: string;
  childName: string;
  nameEnd: number;
}

const WIDTH = 4;
const LANG = 'xml:lang';
/** What our own streams declare in their headers, so that it need not be repeated on stanzas. */
const DEFAULT_LANG = 'en';

/**
 * Reads start tags for the scanner: uniqueness of attributes, namespaces (Namespaces in XML 1.0), and of the
 * top-level element and its first child what routing needs. Offsets are kept relative to the item's start, so that
 * an item may move between buffers while it grows.
 */
export class TagReader {
  /** Set by the scanner when a colon was seen in the tag, which is rare enough to take the slow path. */
  prefixed = false;
  nameEnd = 0;
  readonly #content: string;
  readonly #depth: number;
  readonly #limit: number;
  readonly #names: Int32Array;
  readonly #marks: Int32Array;
  #nameStart = 0;
  #count = 0;
  #headerName = '';
  #streamBindings = new Map<string, string>();
  #streamLang = '';
  #bindings: Binding[] = [];
  #borrowed = new Set<string>();
  #cuts: number[] = [];
  #root: RootFields = emptyRoot();

  constructor(contentNamespace: string, depth: number, attributes: number) {
    this.#content = contentNamespace;
    this.#depth = depth;
    this.#limit = attributes;
    this.#names = new Int32Array((depth + 3) * 2);
    this.#marks = new Int32Array((attributes + 1) * WIDTH);
  }

  restart(): void {
    this.#streamBindings = new Map();
    this.#streamLang = '';
    this.#bindings = [];
  }

  begin(nameStart: number): void {
    this.#nameStart = nameStart;
    this.#count = 0;
    this.prefixed = false;
  }

  attribute(nameStart: number, nameEnd: number): void {
    if (this.#count >= this.#limit) {
      throw new StreamFault('policy-violation', 'xml-restricted', `More than ${this.#limit} attributes on one tag.`);
    }
    this.#marks[this.#count * WIDTH] = nameStart;
    this.#marks[this.#count * WIDTH + 1] = nameEnd;
  }

  valueStart(at: number): void {
    this.#marks[this.#count * WIDTH + 2] = at;
  }

  valueEnd(at: number): void {
    this.#marks[this.#count * WIDTH + 3] = at;
    this.#count++;
  }

  /** The stream header; its bindings hold for every stanza behind it. */
  header(bytes: Buffer): StreamHeader {
    this.#requireUnique(bytes, 0);
    this.#declare({ buffer: bytes, start: 0, level: 0, empty: false });
    this.#streamBindings = new Map(this.#bindings.map(({ prefix, uri }) => [prefix, uri]));
    this.#bindings = [];
    this.#headerName = bytes.toString('latin1', this.#nameStart, this.nameEnd);
    const [prefix, local] = splitName(this.#headerName);
    const attribute = (name: string): string => this.#find(bytes, 0, name) ?? '';
    const contentNamespace = attribute('xmlns');
    const namespace = prefix === '' ? contentNamespace : this.#streamBindings.get(prefix);
    if (namespace !== ns.streams) throw new StreamFault('invalid-namespace', 'stream-protocol', 'Not a stream header.');
    if (local !== 'stream') throw new StreamFault('bad-format', 'stream-protocol', `A <${local}/> opens no stream.`);
    if (contentNamespace !== this.#content) {
      throw new StreamFault('invalid-namespace', 'stream-protocol', `The stream is not of ${this.#content}.`);
    }
    this.#streamLang = attribute(LANG);
    return {
      to: attribute('to'),
      from: attribute('from'),
      id: attribute('id'),
      version: attribute('version'),
      lang: this.#streamLang,
      contentNamespace,
      dialback: [...this.#streamBindings.values()].includes(ns.dialback),
    };
  }

  /** A start tag inside the stream has ended. */
  open(tag: OpenTag): void {
    const { buffer, start, level } = tag;
    if (level - 1 > this.#depth) {
      throw new StreamFault('policy-violation', 'xml-restricted', `Nested deeper than ${this.#depth} elements.`);
    }
    this.#names[level * 2] = this.#nameStart;
    this.#names[level * 2 + 1] = this.nameEnd;
    if (this.#count > 1) this.#requireUnique(buffer, start);
    if (level === 2) this.#beginRoot(tag);
    if (this.prefixed) this.#declare(tag);
    if (this.#count > 0) this.#checkDefaultNamespace(tag);
    if (level === 2) this.#readRoot(tag);
    else if (level === 3 && this.#root.childName === '') this.#readChild(tag);
    else if (this.prefixed) this.#resolve(buffer.toString('latin1', start + this.#nameStart, start + this.nameEnd));
  }

  /** An end tag's name, compared with the element it must close. */
  close(level: number, buffer: Buffer, start: number, from: number, to: number): void {
    if (level === 1) {
      if (buffer.toString('latin1', start + from, start + to) !== this.#headerName) throw mismatched();
      return;
    }
    const open = this.#names[level * 2] as number;
    const length = (this.#names[level * 2 + 1] as number) - open;
    if (length !== to - from) throw mismatched();
    for (let k = 0; k < length; k++) if (buffer[start + open + k] !== buffer[start + from + k]) throw mismatched();
  }

  /** An element at this level is over: its prefixes with it. */
  leave(level: number): void {
    while (this.#bindings.length > 0 && (this.#bindings.at(-1) as Binding).level >= level) this.#bindings.pop();
  }

  /** The finished top-level element. */
  element(bytes: Buffer): ScannedElement {
    const root = this.#root;
    this.#bindings.length = 0;
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
      bytes: root.namespace === this.#content ? this.#portable(bytes, root) : bytes,
    };
  }

  #beginRoot({ buffer, start }: OpenTag): void {
    this.#root = emptyRoot();
    this.#root.nameEnd = this.nameEnd;
    this.#root.name = buffer.toString('latin1', start + this.#nameStart, start + this.nameEnd);
    this.#root.namespace = this.#content;
    this.#root.lang = this.#streamLang;
    if (this.#cuts.length > 0) this.#cuts = [];
    if (this.#borrowed.size > 0) this.#borrowed.clear();
  }

  #readRoot({ buffer, start }: OpenTag): void {
    const root = this.#root;
    for (let n = 0; n < this.#count; n++) {
      const from = start + (this.#marks[n * WIDTH] as number);
      const length = start + (this.#marks[n * WIDTH + 1] as number) - from;
      const first = buffer[from];
      if (length === 2) {
        if (first === 0x74 && buffer[from + 1] === 0x6f) root.to = this.#value(buffer, start, n);
        else if (first === 0x69 && buffer[from + 1] === 0x64) root.id = this.#value(buffer, start, n);
      } else if (length === 4) {
        if (first === 0x66 && buffer.toString('latin1', from, from + 4) === 'from')
          root.from = this.#value(buffer, start, n);
        else if (first === 0x74 && buffer.toString('latin1', from, from + 4) === 'type')
          root.type = this.#value(buffer, start, n);
      } else if (length === 8 && buffer.toString('latin1', from, from + 8) === LANG) {
        root.lang = this.#value(buffer, start, n);
        root.ownLang = true;
      } else if (this.#isDefaultDeclaration(buffer, start, n)) {
        root.namespace = this.#value(buffer, start, n);
        if (root.namespace === this.#content) this.#cut(n);
      }
    }
    if (!this.prefixed) return;
    const [prefix, local] = splitName(root.name);
    root.name = local;
    if (prefix !== '') root.namespace = this.#lookUp(prefix);
  }

  #readChild({ buffer, start }: OpenTag): void {
    const root = this.#root;
    root.childName = buffer.toString('latin1', start + this.#nameStart, start + this.nameEnd);
    root.childNamespace = root.namespace;
    for (let n = 0; n < this.#count; n++) {
      if (this.#isDefaultDeclaration(buffer, start, n)) root.childNamespace = this.#value(buffer, start, n);
    }
    if (!this.prefixed) return;
    const [prefix, local] = splitName(root.childName);
    root.childName = local;
    if (prefix !== '') root.childNamespace = this.#lookUp(prefix);
  }

  /** Notes a redundant `xmlns` on a stanza or its child for removal, and refuses reserved names as a default. */
  #checkDefaultNamespace({ buffer, start, level }: OpenTag): void {
    for (let n = 0; n < this.#count; n++) {
      if (!this.#isDefaultDeclaration(buffer, start, n)) continue;
      const uri = this.#value(buffer, start, n);
      if (uri === ns.xml || uri === ns.xmlns) throw unbound('xmlns');
      if (level === 3 && uri === this.#content && this.#root.namespace === this.#content) this.#cut(n);
    }
  }

  /** Takes the prefix declarations of a tag and resolves the prefixes of its attributes. */
  #declare({ buffer, start, level }: OpenTag): void {
    const qualified: string[] = [];
    for (let n = 0; n < this.#count; n++) {
      const name = this.#name(buffer, start, n);
      const [prefix, local] = splitName(name);
      if (prefix === 'xmlns') {
        const uri = this.#value(buffer, start, n);
        const reserved = uri === ns.xmlns || (uri === ns.xml) !== (local === 'xml') || local === 'xmlns' || uri === '';
        if (reserved) throw unbound(name);
        this.#bindings.push({ prefix: local, uri, level });
      } else if (prefix !== '' && prefix !== 'xml') qualified.push(name);
    }
    const expanded = qualified.map((name) => `${this.#resolve(name)} ${splitName(name)[1]}`);
    if (new Set(expanded).size !== expanded.length) throw duplicate();
  }

  #resolve(qualifiedName: string): string {
    const [prefix] = splitName(qualifiedName);
    return prefix === '' ? '' : this.#lookUp(prefix);
  }

  #lookUp(prefix: string): string {
    if (prefix === 'xml') return ns.xml;
    for (let n = this.#bindings.length - 1; n >= 0; n--) {
      const binding = this.#bindings[n] as Binding;
      if (binding.prefix === prefix) return binding.uri;
    }
    const uri = this.#streamBindings.get(prefix);
    if (uri === undefined) throw unbound(prefix);
    this.#borrowed.add(prefix);
    return uri;
  }

  /** RFC 6120 §4.8.3 and §4.7.4: nothing a stanza takes from its stream's header may be lost on the next stream. */
  #portable(bytes: Buffer, root: RootFields): Buffer {
    const addLang = !root.ownLang && root.lang !== '' && root.lang !== DEFAULT_LANG;
    if (this.#cuts.length === 0 && this.#borrowed.size === 0 && !addLang) return bytes;
    const additions = [...this.#borrowed].map((prefix) => {
      return ` xmlns:${prefix}="${attributeText(this.#streamBindings.get(prefix) ?? '')}"`;
    });
    if (addLang) additions.push(` ${LANG}="${attributeText(root.lang)}"`);
    const parts: Buffer[] = [bytes.subarray(0, root.nameEnd), Buffer.from(additions.join(''))];
    let from = root.nameEnd;
    for (let n = 0; n < this.#cuts.length; n += 2) {
      parts.push(bytes.subarray(from, this.#cuts[n]));
      from = this.#cuts[n + 1] as number;
    }
    parts.push(bytes.subarray(from));
    return Buffer.concat(parts);
  }

  #cut(n: number): void {
    // The white space before the attribute stays: it still separates its neighbours.
    this.#cuts.push(this.#marks[n * WIDTH] as number, (this.#marks[n * WIDTH + 3] as number) + 1);
  }

  #isDefaultDeclaration(buffer: Buffer, start: number, n: number): boolean {
    const from = start + (this.#marks[n * WIDTH] as number);
    const length = start + (this.#marks[n * WIDTH + 1] as number) - from;
    return length === 5 && buffer[from] === 0x78 && buffer.toString('latin1', from, from + 5) === 'xmlns';
  }

  #requireUnique(buffer: Buffer, start: number): void {
    for (let a = 1; a < this.#count; a++) {
      const from = start + (this.#marks[a * WIDTH] as number);
      const length = start + (this.#marks[a * WIDTH + 1] as number) - from;
      for (let b = 0; b < a; b++) {
        const other = start + (this.#marks[b * WIDTH] as number);
        if (start + (this.#marks[b * WIDTH + 1] as number) - other !== length) continue;
        let k = 0;
        while (k < length && buffer[from + k] === buffer[other + k]) k++;
        if (k === length) throw duplicate();
      }
    }
  }

  #find(buffer: Buffer, start: number, name: string): string | undefined {
    for (let n = 0; n < this.#count; n++) {
      if (this.#name(buffer, start, n) === name) return this.#value(buffer, start, n);
    }
    return undefined;
  }

  #name(buffer: Buffer, start: number, n: number): string {
    return buffer.toString(
      'latin1',
      start + (this.#marks[n * WIDTH] as number),
      start + (this.#marks[n * WIDTH + 1] as number),
    );
  }

  #value(buffer: Buffer, start: number, n: number): string {
    const from = start + (this.#marks[n * WIDTH + 2] as number);
    return unescapeXml(buffer.toString('utf8', from, start + (this.#marks[n * WIDTH + 3] as number)));
  }
}

function emptyRoot(): RootFields {
  return {
    namespace: '',
    name: '',
    from: '',
    to: '',
    type: '',
    id: '',
    lang: '',
    ownLang: false,
    childNamespace: '',
    childName: '',
    nameEnd: 0,
  };
}

/** Prefix and local name; a colon anywhere but once in the middle is not namespace-well-formed. */
function splitName(name: string): [prefix: string, local: string] {
  const colon = name.indexOf(':');
  if (colon < 0) return ['', name];
  const local = name.slice(colon + 1);
  if (colon === 0 || !/^[A-Za-z_][^:]*$/.test(local)) throw unbound(name);
  return [name.slice(0, colon), local];
}

function attributeText(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

function mismatched(): StreamFault {
  return new StreamFault('not-well-formed', 'xml-malformed', 'An end tag closes another element than the open one.');
}

function duplicate(): StreamFault {
  return new StreamFault('not-well-formed', 'xml-malformed', 'An attribute stands twice on one tag.');
}

function unbound(prefix: string): StreamFault {
  return new StreamFault('not-well-formed', 'xml-malformed', `The namespace prefix in "${prefix}" is not usable.`);
}
