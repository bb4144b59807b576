import { malformed, restricted, StreamFault } from './stream-error.ts';

/** `<?xml version='1.0' encoding='UTF-8' standalone='yes'?>` with room to spare, bytes. */
export const DECLARATION_BYTES = 128;

const FORM =
  /^<\?xml\s+version\s*=\s*(?:'1\.\d+'|"1\.\d+")(?:\s+encoding\s*=\s*(?:'([\w.-]+)'|"([\w.-]+)"))?(?:\s+standalone\s*=\s*(?:'yes'|"yes"|'no'|"no"))?\s*\?>$/;

/** Refuses with a StreamFault whatever is no XML declaration of a stream in UTF-8 (RFC 6120 §11.5, §11.6). */
export function checkXmlDeclaration(text: string): void {
  if (!/^<\?xml\s/.test(text)) throw restricted('A processing instruction.');
  const form = FORM.exec(text);
  if (form === null) throw malformed('The XML declaration is malformed.');
  const encoding = form[1] ?? form[2] ?? 'UTF-8';
  if (encoding.toUpperCase() !== 'UTF-8') {
    throw new StreamFault('unsupported-encoding', 'xml-malformed', `The stream is in ${encoding}.`);
  }
}
