import type { Reply } from '../../sip/port.ts';

/** How a SIP request was answered, e.g. `403 Forbidden`. */
export function statusText({ status, reason, origin }: Reply): string {
  return origin === 'peer' ? `${status} ${reason}` : `no answer (${origin})`;
}
