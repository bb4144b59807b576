import { im } from './im-namespaces.ts';
import type { IqHandlers } from './iq-request.ts';
import type { UserContext } from './user-context.ts';

/**
 * XEP-0199. A partner's gateway learns from the answer that what it sent before has arrived, so it is given when all of
 * that is kept, and not before.
 */
export function pingHandlers(context: UserContext): IqHandlers {
  return {
    [`get ${im.ping}`]: ({ about, answer, refuse }) => {
      if (about === 'other') refuse('user-absent');
      else context.whenKept(() => answer());
    },
  };
}
