/** Tags at which a line ends. */
const BREAKS = new Set(
  'br p div li ul ol tr table h1 h2 h3 h4 h5 h6 blockquote pre hr section article header footer dt dd'.split(' '),
);
/** Elements whose content is not for reading. */
const UNREAD = new Set(['script', 'style', 'title', 'template', 'iframe', 'svg']);
const named: ReadonlyMap<string, string> = new Map(
  Object.entries({
    amp: '&',
    lt: '<',
    gt: '>',
    quot: '"',
    apos: "'",
    nbsp: ' ',
    copy: '©',
    reg: '®',
    trade: '™',
    euro: '€',
    pound: '£',
    deg: '°',
    middot: '·',
    bull: '•',
    hellip: '…',
    ndash: '–',
    mdash: '—',
    lsquo: '‘',
    rsquo: '’',
    sbquo: '‚',
    ldquo: '“',
    rdquo: '”',
    bdquo: '„',
    laquo: '«',
    raquo: '»',
    auml: 'ä',
    ouml: 'ö',
    uuml: 'ü',
    Auml: 'Ä',
    Ouml: 'Ö',
    Uuml: 'Ü',
    szlig: 'ß',
    eacute: 'é',
    egrave: 'è',
    ecirc: 'ê',
    agrave: 'à',
    acirc: 'â',
    ccedil: 'ç',
    ntilde: 'ñ',
    iexcl: '¡',
    iquest: '¿',
  }),
);
const ENTITY = /&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});/g;

/**
 * What a reader sees of a piece of HTML, in one pass: tags dropped, blocks and `br` as line breaks, references resolved,
 * scripts and styles left out. What is no tag is text, so nothing that was written for people is lost.
 */
export function htmlToText(html: string): string {
  const lastEnd = html.lastIndexOf('>');
  let text = '';
  let at = 0;
  while (at < html.length) {
    const open = html.indexOf('<', at);
    if (open < 0) break;
    text += visible(html.slice(at, open));
    const tag = open < lastEnd ? tagAt(html, open) : undefined;
    if (tag === undefined) {
      text += '<';
      at = open + 1;
      continue;
    }
    at = UNREAD.has(tag.name) && !tag.closing ? endOf(html, tag) : tag.end;
    if (BREAKS.has(tag.name)) text += '\n';
    else if (tag.name === 'td' || tag.name === 'th') text += ' ';
  }
  text += visible(html.slice(at));
  return text
    .replace(/[ \t]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

interface Tag {
  /** '' for a comment or declaration. */
  readonly name: string;
  readonly closing: boolean;
  /** Where what follows begins. */
  readonly end: number;
}

function tagAt(html: string, open: number): Tag | undefined {
  if (html.startsWith('<!--', open)) return { name: '', closing: false, end: behind(html, '-->', open + 4) };
  const named = /[!?]|\/?[A-Za-z][A-Za-z0-9]{0,15}/y;
  named.lastIndex = open + 1;
  const word = named.exec(html)?.[0];
  if (word === undefined) return undefined;
  const end = behind(html, '>', open + 1);
  if (/[!?]/.test(word)) return { name: '', closing: false, end };
  const closing = word.startsWith('/');
  return { name: word.slice(closing ? 1 : 0).toLowerCase(), closing, end };
}

/** Where the element that this tag opens has ended; at the end where it never does. */
function endOf(html: string, { name, end }: Tag): number {
  const closing = new RegExp(`</${name}(?![A-Za-z0-9])`, 'gi');
  closing.lastIndex = end;
  const found = closing.exec(html);
  return found === null ? html.length : behind(html, '>', found.index);
}

function behind(html: string, mark: string, from: number): number {
  const at = html.indexOf(mark, from);
  return at < 0 ? html.length : at + mark.length;
}

function visible(source: string): string {
  return source.replace(/[ \t\r\n]+/g, ' ').replace(ENTITY, (whole, name: string) => {
    if (!name.startsWith('#')) return named.get(name) ?? whole;
    const point = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10);
    return point > 0x10ffff ? '' : String.fromCodePoint(point);
  });
}
