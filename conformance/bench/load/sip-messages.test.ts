import { describe, expect, it } from 'vitest';
import { parseMessage } from '../../../gateway/sip/message/parse.ts';
import { syntaxFault } from '../../../gateway/sip/message/syntax.ts';
import { PageMessages } from './sip-messages.ts';

const pair = { from: 'montague.example', to: 'capulet.example' };

describe('The MESSAGEs of the load', () => {
  it('are sound, with some 250 bytes of text, and each is new', () => {
    const messages = new PageMessages(pair, 'TLS 192.0.2.1:5061', 'a1b2');
    const seen = Array.from({ length: 100 }, () => {
      const [head = '', body = ''] = messages.one().split('\r\n\r\n');
      const message = parseMessage(Buffer.from(head), Buffer.from(body));
      expect(syntaxFault(message)).toBeUndefined();
      expect(message.from.uri).toMatch(/^sip:romeo\d+@montague\.example$/);
      expect(message.to.uri).toMatch(/^sip:juliet\d+@capulet\.example$/);
      expect(body.length).toBeGreaterThanOrEqual(245);
      expect(body.length).toBeLessThanOrEqual(255);
      return [message.callId, message.topVia.branch];
    });
    expect(new Set(seen.map(([callId]) => callId)).size).toBe(100);
    expect(new Set(seen.map(([, branch]) => branch)).size).toBe(100);
  });
});
