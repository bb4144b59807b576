/** The part of ltx that Drawbridge uses; the package carries no types. */
declare module 'ltx' {
  export class Element {
    constructor(name: string, attrs?: Record<string, string | undefined>);
    name: string;
    attrs: Record<string, string | undefined>;
    children: (Element | string)[];
    getName(): string;
    getNS(): string | undefined;
    getChild(name: string, namespace?: string): Element | undefined;
    getChildren(name: string, namespace?: string): Element[];
    getChildText(name: string, namespace?: string): string | null;
    getChildElements(): Element[];
    getText(): string;
    toString(): string;
  }
  export function parse(xml: string): Element;
}
