/** One line of a CSV file: its fields, or what is wrong with it. Lines count from 1. */
export type CsvLine =
  | { readonly line: number; readonly fields: readonly string[] }
  | { readonly line: number; readonly problem: string };

const LINE_END = /\r\n|\n|\r/;

/**
 * Reads CSV (RFC 4180), except that no field holds a line end: a quote that somebody forgot then spoils one line, and not
 * all behind it. Empty lines are left out, a byte order mark too. Never throws.
 */
export function readCsv(text: string): CsvLine[] {
  const lines = text.replace(/^\ufeff/, '').split(LINE_END);
  return lines.flatMap((written, index) => (written.trim() === '' ? [] : [readLine(written, index + 1)]));
}

function readLine(text: string, line: number): CsvLine {
  const fields: string[] = [];
  for (let at = 0; at <= text.length; at++) {
    if (text[at] === '"') {
      const end = closingQuote(text, at + 1);
      if (end < 0) return { line, problem: 'a quote is not closed on its line' };
      if (end + 1 < text.length && text[end + 1] !== ',') {
        return { line, problem: 'there is something between a closing quote and the comma' };
      }
      fields.push(text.slice(at + 1, end).replaceAll('""', '"'));
      at = end + 1;
    } else {
      const comma = text.indexOf(',', at);
      const end = comma < 0 ? text.length : comma;
      const field = text.slice(at, end);
      if (field.includes('"'))
        return { line, problem: 'a quote stands inside a field: quote the whole field, and double it' };
      fields.push(field);
      at = end;
    }
  }
  return { line, fields };
}

/** Where the quote is that ends a field; two in a row are one of its characters. -1 where there is none. */
function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}
