import { type Element, xml } from '@xmpp/client';
import LtxParser from 'ltx/lib/parsers/ltx.js';

export interface ElementReaderEvents {
  header(header: Element): void;
  element(element: Element): void;
  /** The stream's closing tag. */
  end(): void;
  error(): void;
}

/** Reads one XML stream as the trees of its top-level elements, by the parser of xmpp.js and not our own. */
export class ElementReader {
  readonly #parser = new LtxParser();
  /** The stream, and what is open within it. */
  readonly #open: Element[] = [];

  constructor(events: ElementReaderEvents) {
    this.#parser.on('startElement', (name: string, attrs: Record<string, string>) => {
      const element = xml(name, attrs);
      if (this.#open.length === 0) events.header(element);
      else if (this.#open.length === 1)
        element.parent = this.#open[0] ?? null; // what it inherits its namespace from
      else this.#open.at(-1)?.cnode(element);
      this.#open.push(element);
    });
    this.#parser.on('text', (text: string) => {
      if (this.#open.length > 1) this.#open.at(-1)?.t(text);
    });
    this.#parser.on('endElement', () => {
      const element = this.#open.pop();
      if (this.#open.length === 0) events.end();
      else if (this.#open.length === 1 && element !== undefined) events.element(element);
    });
    this.#parser.on('error', () => events.error());
  }

  /** Characters must be whole. */
  write(text: string): void {
    this.#parser.write(text);
  }
}
