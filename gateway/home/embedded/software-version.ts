import { escapeText } from '../../xmpp/xml.ts';
import { im } from './im-namespaces.ts';
import type { IqHandlers } from './iq-request.ts';

/** XEP-0092. */
export function versionHandlers(version: string): IqHandlers {
  const content = `<query xmlns="${im.version}"><name>Drawbridge</name><version>${escapeText(version)}</version></query>`;
  return {
    [`get ${im.version}`]: ({ about, answer, refuse }) => {
      if (about === 'other') refuse('user-absent');
      else answer(content);
    },
  };
}
