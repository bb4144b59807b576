import { describe, expect, it } from 'vitest';
import { parseHead } from '../../../gateway/sip/message/parse.ts';
import { syntaxFault } from '../../../gateway/sip/message/syntax.ts';
import { SipCaller } from './sip-caller.ts';
import { endCalls, makeCalls } from './sip-calls.ts';
import { answerTo, field, SipCutter } from './sip-cutter.ts';
import { SipPhones } from './sip-phones.ts';

const pair = { from: 'montague.example', to: 'capulet.example' };

/** A caller and the telephones that it calls, joined without a gateway; `tamper` changes what is answered, or drops it. */
function joined(tamper = (text: string): string => text) {
  const methods: string[] = [];
  const toCaller = new SipCutter({ message: (head) => caller.response(head), ping() {} });
  const phones = new SipPhones(
    (text) => queueMicrotask(() => toCaller.push(Buffer.from(tamper(text)))),
    'sip:p@192.0.2.9',
  );
  const toPhones = new SipCutter({
    message: (head) => {
      const method = head.slice(0, head.indexOf(' '));
      methods.push(method);
      expect(syntaxFault(parseHead(Buffer.from(head)))).toBeUndefined();
      phones.request(method, head);
    },
    ping() {},
  });
  const caller = new SipCaller(
    (text) => queueMicrotask(() => toPhones.push(Buffer.from(text))),
    '192.0.2.1:5061',
    'a1b2',
  );
  return { caller, phones, methods };
}

describe('The calls of the load', () => {
  it('are set up and ended', async () => {
    const { caller, phones, methods } = joined();
    const called = await makeCalls(caller, pair, { ms: 20, rate: 100 });
    expect(called).toMatchObject({ count: 2, shed: 0, repeated: 0 });
    expect(called.p50).toBeGreaterThanOrEqual(0);
    expect(methods).toEqual(['INVITE', 'ACK', 'BYE', 'INVITE', 'ACK', 'BYE']);
    expect([caller.open, phones.unacknowledged, phones.late]).toEqual([0, 0, 0]);
  });

  it('stand until they are ended', async () => {
    const { caller, phones } = joined();
    expect(await makeCalls(caller, pair, { standing: 50 })).toMatchObject({ count: 50 });
    expect([caller.open, phones.unacknowledged]).toEqual([50, 0]);
    expect(await endCalls(caller)).toBe(50);
    expect(caller.open).toBe(0);
  });

  it('tell of answers that come twice', async () => {
    const twice = (text: string): string => (text.includes('180 Ringing') ? text + text : text);
    const { caller } = joined(twice);
    expect(await makeCalls(caller, pair, { standing: 3 })).toMatchObject({ count: 3, repeated: 3 });
  });

  it('fail where they are refused, but for want of room', async () => {
    const refusing = (status: string) => {
      const caller: SipCaller = new SipCaller(
        (text) => {
          const head = text.slice(0, text.indexOf('\r\n\r\n'));
          if (head.startsWith('INVITE')) queueMicrotask(() => caller.response(answerTo(head, status, 't')));
          else expect(field(head, 'CSeq')).toBe('1 ACK');
        },
        '192.0.2.1:5061',
        'a1b2',
      );
      return caller;
    };
    const busy = makeCalls(refusing('486 Busy Here'), pair, { ms: 20, rate: 100 });
    await expect(busy).rejects.toThrow('2 of 2 calls were refused: SIP/2.0 486 Busy Here');
    const shed = makeCalls(refusing('503 Service Unavailable'), pair, { ms: 20, rate: 100 });
    expect(await shed).toMatchObject({ count: 0, shed: 2 });
  });
});
