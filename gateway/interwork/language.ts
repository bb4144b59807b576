import type { Element } from 'ltx';
import { ownChildren } from './stanza-xml.ts';

/** A text of a stanza and its language, '' where none is said. */
export interface SpokenText {
  readonly text: string;
  readonly lang: string;
}

/** The first language of a Content-Language value, or an xml:lang; '' where it is no language tag (RFC 5646 §2.1). */
export function languageTag(value: string | undefined): string {
  const tag = (value ?? '').split(',', 1)[0]?.trim() ?? '';
  return /^[A-Za-z][A-Za-z0-9-]{0,62}[A-Za-z0-9]$/.test(tag) ? tag : '';
}

/**
 * The one of several texts by language (RFC 6121 §5.2.3) to send where only one can go: in the first of the languages
 * wanted that there is, else in that of the stanza itself, else the first. Empty ones do not count.
 */
export function chooseText(root: Element, name: 'body' | 'subject', wanted: readonly string[]): SpokenText | undefined {
  const general = root.attrs['xml:lang'];
  const texts = ownChildren(root, name)
    .map((child) => ({ text: child.getText(), own: child.attrs['xml:lang'] }))
    .filter(({ text }) => text.trim() !== '')
    .map(({ text, own }) => ({
      text,
      lang: languageTag(own ?? general),
      general: own === undefined || own === general,
    }));
  const preferred = wanted.map((lang) => texts.find((one) => speaks(one.lang, lang))).find((one) => one !== undefined);
  return preferred ?? texts.find((one) => one.general) ?? texts[0];
}

/** `de-AT` speaks `de`: basic filtering, RFC 4647 §3.3.1. */
function speaks(lang: string, range: string): boolean {
  const [one, other] = [lang.toLowerCase(), range.toLowerCase()];
  return one === other || one.startsWith(`${other}-`);
}
