import type { Answer, InRequest } from '../sip/port.ts';
import { answerAcross } from './answers.ts';
import type { Talk } from './talk.ts';
import type { Transfers } from './transfers.ts';

/** Bodies of INFO that mean something to both sides: keys pressed (RFC 6086 §4.2.1 leaves all else to packages). */
const KEYS: ReadonlySet<string> = new Set(['application/dtmf-relay', 'application/dtmf']);

/** Answers what comes in the dialog of a call and is neither offer nor end: keys pass, transfers are judged, the rest is refused. */
export class InDialog {
  readonly #transfers: Transfers;

  constructor(transfers: Transfers) {
    this.#transfers = transfers;
  }

  async answer(request: InRequest, talk: Talk): Promise<Answer> {
    if (request.method === 'REFER') return this.#transfers.answer(request, talk);
    if (request.method !== 'INFO') return { status: 405, headers: [['Allow', 'INFO, REFER']] };
    const { body } = request;
    if (body === undefined) return { status: 200 };
    const type = (body.type.split(';', 1)[0] ?? '').trim().toLowerCase();
    if (!KEYS.has(type)) return { status: 415, headers: [['Accept', [...KEYS].join(', ')]] };
    return answerAcross(await talk.other.request('INFO', { body }));
  }
}
