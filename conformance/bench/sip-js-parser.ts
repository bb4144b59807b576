import { Core } from 'sip.js';
import type { PeerParser } from './sip-parse.ts';

/** The parser of sip.js, which reads every header by a grammar; it takes a message as text. */
export function sipJsParser(): PeerParser {
  const loggers = new Core.LoggerFactory();
  loggers.builtinEnabled = false;
  const logger = loggers.getLogger('bench');
  return {
    name: 'sip.js',
    parse: (head, body) => {
      const message = Core.Parser.parseMessage(`${head}\r\n\r\n${body}`, logger);
      return message === undefined ? 0 : message.callId.length + message.cseq + message.fromTag.length;
    },
  };
}
