import type { TortureMessage } from './torture-message.fixture.ts';

/** The responses of RFC 4475 that are sound by their syntax. */
export const soundResponses: readonly TortureMessage[] = [
  {
    id: 'unreason',
    section: '3.1.1.12',
    expected: 'sound',
    why: 'A reason phrase may hold UTF-8.',
    text: `<allOneLine>
SIP/2.0 200 = 2**3 * 5**2<hex>20d0bdd0be20d181d182d0be20d0b4d0b5d0b2d18fd0bdd0bed181d182d0be20</hex>
<hex>d0b4d0b5d0b2d18fd182d18c202d20d0bfd180d0bed181d182d0bed0b5</hex>
</allOneLine>
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Call-ID: unreason.1234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 154
Content-Type: application/sdp
Contact: <sip:user@host198.example.com>

<sdp 192.0.2.198/>
`,
  },
  {
    id: 'noreason',
    section: '3.1.1.13',
    expected: 'sound',
    why: 'A reason phrase may be empty.',
    text: `SIP/2.0 100<hex>20</hex>
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: noreason.asndj203insdf99223ndf
CSeq: 35 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>

`,
  },
  {
    id: 'bcast',
    section: '3.3.10',
    expected: 'sound',
    why: 'Its top Via is not ours, so no transaction takes it; the broadcast address below is not looked at.',
    text: `SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23
Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 154
Content-Type: application/sdp
Contact: <sip:user@host28.example.com>

<sdp 192.0.2.198/>
`,
  },
];
