import { type Params, parseParams } from './params.ts';
import { classes, code, runEnd, skipSpace } from './text.ts';

export interface ContentType {
  /** Such as `application/sdp`, in lower case. */
  readonly type: string;
  readonly params: Params;
}

/** Reads `type/subtype;params` (RFC 3261 §20.15); undefined where it is malformed. */
export function parseContentType(text: string): ContentType | undefined {
  const typeEnd = runEnd(text, 0, classes.token);
  const slash = skipSpace(text, typeEnd);
  if (typeEnd === 0 || text.charCodeAt(slash) !== code.slash) return undefined;
  const start = skipSpace(text, slash + 1);
  const end = runEnd(text, start, classes.token);
  if (end === start) return undefined;
  try {
    const type = `${text.slice(0, typeEnd)}/${text.slice(start, end)}`.toLowerCase();
    return { type, params: parseParams(text, end) };
  } catch {
    return undefined;
  }
}
