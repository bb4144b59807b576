/** One block of a PEM text (RFC 7468). */
export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, … */
  readonly label: string;
  readonly der: Buffer;
  /** Line of its BEGIN, from 1. */
  readonly line: number;
}

const BEGIN = /^-----BEGIN ([A-Z0-9 ]+)-----\s*$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * The blocks of a PEM text in order. What stands between blocks is commentary (RFC 7468 §2) and is skipped; a block
 * with no end or with anything but base64 inside has an empty `der`, so that its reader reports the line.
 */
export function readPem(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  let open: { label: string; line: number; base64: string[] } | undefined;
  const close = (complete: boolean): void => {
    if (open === undefined) return;
    const body = open.base64.join('');
    const der = complete && BASE64.test(body) ? Buffer.from(body, 'base64') : Buffer.alloc(0);
    blocks.push({ label: open.label, line: open.line, der });
    open = undefined;
  };
  for (const [index, line] of text.split(/\r\n|\r|\n/).entries()) {
    const label = BEGIN.exec(line)?.[1];
    if (label !== undefined) {
      close(false);
      open = { label, line: index + 1, base64: [] };
    } else if (open !== undefined && line.trimEnd() === `-----END ${open.label}-----`) close(true);
    else open?.base64.push(line.trim());
  }
  close(false);
  return blocks;
}

/** The certificates of a PEM text, `TRUSTED CERTIFICATE` and keys left out. */
export function certificateBlocks(text: string): PemBlock[] {
  return readPem(text).filter(({ label }) => label === 'CERTIFICATE' || label === 'X509 CERTIFICATE');
}

/** PEM of one DER value, 64 columns. */
export function writePem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
