import type { Stanza } from '../../bridge/stanza.ts';
import { im } from './im-namespaces.ts';
import type { IqHandlers } from './iq-request.ts';
import { compose, embedded } from './stanza-bytes.ts';

/** Which way the message went that another resource of the user gets a copy of. */
export type CarbonDirection = 'sent' | 'received';

/** The copy of a message for another resource of its user, XEP-0280 §7 and §8. `bare` and `to` are addresses on the wire. */
export function carbonOf(direction: CarbonDirection, message: Stanza, bare: string, to: string): Stanza {
  const forwarded = `<forwarded xmlns="${im.forward}">${embedded(message)}</forwarded>`;
  const content = `<${direction} xmlns="${im.carbons}">${forwarded}</${direction}>`;
  return compose('message', { from: bare, to, type: message.type, id: '' }, content);
}

/** A client says whether it wants copies, XEP-0280 §4 and §5. */
export const carbonHandlers: IqHandlers = {
  [`set ${im.carbons}`]: ({ stanza: { childName }, resource, answer, refuse }) => {
    if (resource === undefined) refuse('not-yours');
    else if (childName !== 'enable' && childName !== 'disable') refuse('stanza-malformed');
    else {
      resource.carbons = childName === 'enable';
      resource.remember();
      answer();
    }
  },
};
