/** What the harness uses of `@xmpp/client` 0.14, which ships without types. */
declare module '@xmpp/client' {
  import type { EventEmitter } from 'node:events';

  export interface Element {
    name: string;
    attrs: Record<string, string>;
    children: (Element | string)[];
    parent: Element | null;
    is(name: string, xmlns?: string): boolean;
    getChild(name: string, xmlns?: string): Element | undefined;
    getChildren(name: string, xmlns?: string): Element[];
    getChildElements(): Element[];
    getChildText(name: string, xmlns?: string): string | null;
    getNS(): string | undefined;
    remove(name: string, xmlns?: string): void;
    text(): string;
    /** Adds a child element. */
    cnode(child: Element): Element;
    /** Adds text. */
    t(text: string): Element;
    toString(): string;
  }

  export type Child = Element | string | number | undefined | null;

  export function xml(
    name: string,
    attrs?: Record<string, string | undefined> | null,
    ...children: (Child | Child[])[]
  ): Element;

  export interface Jid {
    local: string;
    domain: string;
    resource: string;
    bare(): Jid;
    toString(): string;
  }

  export interface IqContext {
    stanza: Element;
    element: Element;
  }

  export interface Client extends EventEmitter {
    jid: Jid | null;
    status: string;
    /** The class whose instances carry the stream; chosen at `connecting`. */
    Socket: new () => EventEmitter;
    socket: (EventEmitter & { destroy?(): void }) | null;
    reconnect: { stop(): void };
    iqCallee: {
      get(xmlns: string, name: string, handler: (context: IqContext) => Element | boolean | object): void;
      set(xmlns: string, name: string, handler: (context: IqContext) => Element | boolean | object): void;
    };
    start(): Promise<Jid>;
    stop(): Promise<unknown>;
    send(element: Element): Promise<void>;
    sendMany(elements: Iterable<Element>): Promise<void>;
  }

  export type Authenticate = (credentials: { username: string; password: string }, mechanism: string) => Promise<void>;

  export function client(options: {
    service: string;
    domain: string;
    credentials: (authenticate: Authenticate, mechanisms: readonly string[]) => Promise<void>;
    resource?: string;
    /** Milliseconds for each step of the stream's negotiation. */
    timeout?: number;
  }): Client;
}

/** The tokenizer below the parser of xmpp.js. */
declare module 'ltx/lib/parsers/ltx.js' {
  import { EventEmitter } from 'node:events';

  /** Emits `startElement` (name, attrs), `endElement` (name), `text` (text) and `error`. */
  class LtxParser extends EventEmitter {
    write(text: string): void;
  }

  // biome-ignore lint/style/noDefaultExport: so the module is written.
  export { LtxParser as default };
}
