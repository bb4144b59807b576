import { type ReasonCode, reasons } from '../../policies/reasons.ts';
import type { Answer, ExtraHeaders, Reply } from '../sip/port.ts';

/** A refusal of ours as the partner or the PBX sees it: the status, and no more. */
export function refusalAnswer(reason: ReasonCode): Answer {
  return { status: reasons[reason].sip };
}

/** What one leg was answered, as the other leg is told: its own hop is no business of the next. */
export function answerAcross({ status, origin, headers }: Reply): Answer {
  const why = headers.get('Reason');
  const carried: ExtraHeaders = why === undefined ? [] : [['Reason', why]];
  return { status: statusAcross(status, origin), headers: carried };
}

function statusAcross(status: number, origin: Reply['origin']): number {
  // 503 would make the peer take us for overloaded, and avoid all of us (RFC 3263 §4.3).
  if (origin === 'transport' || origin === 'unsent') return 500;
  return AT_THE_HOP.get(status) ?? (status >= 300 && status < 400 ? 480 : status);
}

/** Statuses that speak of one hop (RFC 3261 §21): a credential, an extension, a load that the next hop knows nothing of. */
const AT_THE_HOP: ReadonlyMap<number, number> = new Map([
  [401, 403],
  [407, 403],
  [420, 500],
  [421, 500],
  [422, 500],
  [481, 500],
  [491, 500],
  [494, 500],
  [503, 500],
]);
