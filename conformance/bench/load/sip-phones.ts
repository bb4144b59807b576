import { clockUs } from './clock.ts';
import { answerTo, field } from './sip-cutter.ts';

/** What RFC 3261 §13.3.1.4 lets an ACK take before the 2xx is sent again, µs: T1. */
const ackUs = 500_000;

const answer = [
  'v=0',
  'o=juliet 2808844564 2808844564 IN IP4 192.0.2.42',
  's=-',
  'c=IN IP4 192.0.2.42',
  't=0 0',
  'm=audio 49172 RTP/AVP 0 96',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:96 telephone-event/8000',
  'a=sendrecv',
  '',
].join('\r\n');

/** Telephones behind a PBX that ring and are answered at once, and that the other side hangs up. */
export class SipPhones {
  readonly #write: (text: string) => void;
  readonly #contact: string;
  readonly #unacknowledged = new Map<string, number>();
  /** ACKs that came so late that a telephone would have repeated its 2xx. */
  late = 0;
  #tags = 0;

  constructor(write: (text: string) => void, contact: string) {
    this.#write = write;
    this.#contact = contact;
  }

  /** Answered, and no ACK came yet. */
  get unacknowledged(): number {
    return this.#unacknowledged.size;
  }

  /** INVITE, ACK, BYE, or CANCEL. */
  request(method: string, head: string): void {
    if (method === 'INVITE') this.#ring(head);
    else if (method === 'ACK') this.#acknowledged(field(head, 'Call-ID'));
    else this.#write(`${answerTo(head, '200 OK', 'none')}Content-Length: 0\r\n\r\n`);
  }

  #ring(head: string): void {
    const tag = `p${(this.#tags++).toString(16).padStart(12, '0')}`;
    const contact = `Contact: <${this.#contact}>\r\n`;
    this.#unacknowledged.set(field(head, 'Call-ID'), clockUs());
    this.#write(
      `${answerTo(head, '180 Ringing', tag, contact)}Content-Length: 0\r\n\r\n` +
        `${answerTo(head, '200 OK', tag, contact)}Content-Type: application/sdp\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`,
    );
  }

  #acknowledged(callId: string): void {
    const answeredUs = this.#unacknowledged.get(callId);
    if (answeredUs !== undefined && clockUs() - answeredUs > ackUs) this.late++;
    this.#unacknowledged.delete(callId);
  }
}
