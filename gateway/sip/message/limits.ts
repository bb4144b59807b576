/** What a message may measure; the framer and the parser hold the same numbers (RFC 3261 sets none). */
export const messageLimits = {
  /** The start line and all header lines: forty times an ordinary INVITE. */
  headBytes: 64 * 1024,
  /** One line, and one header with all its continuation lines: certificates in Identity and long Record-Routes fit. */
  lineBytes: 8 * 1024,
  /** Header lines, continuation lines counted too: an ordinary INVITE has 20. */
  headerLines: 64,
  /** What the configuration may raise {@link messageLimits.headerLines} to: look-ups walk through all of them. */
  mostHeaderLines: 256,
  /** Parts of a multipart body, nested ones counted too: an offer, a location and a signature are three. */
  parts: 16,
  /** Multiparts within multiparts: `mixed` around `alternative` is two. */
  partNesting: 3,
} as const;
