import type { Stanza } from '../../bridge/stanza.ts';
import { uriOf } from '../../interwork/address.ts';
import { readError } from '../../interwork/error-stanza.ts';
import type { OutRequest } from '../port.ts';
import type { AnsweredMessage } from './answered-messages.ts';

/**
 * The MESSAGE that tells a sender of a failure behind a 2xx: from the one it was for, one sentence, and which MESSAGE it
 * was. Undefined where the addresses of the error have no URI.
 */
export function lateErrorMessage(error: Stanza, subject: AnsweredMessage | undefined): OutRequest | undefined {
  const from = uriOf(bareOf(error.from));
  const to = uriOf(bareOf(error.to));
  if (from === undefined || to === undefined) return undefined;
  const { condition, text } = readError(error);
  const why = text === '' ? condition.replaceAll('-', ' ') : text.replace(/[.!]+$/, '');
  return {
    method: 'MESSAGE',
    target: to,
    from: { uri: from },
    to: { uri: to },
    headers: subject === undefined ? [] : [['In-Reply-To', subject.callId]],
    body: { type: 'text/plain;charset=UTF-8', content: Buffer.from(`Your message was not delivered: ${why}.`) },
  };
}

function bareOf(jid: string): string {
  return jid.split('/', 1)[0] ?? jid;
}
