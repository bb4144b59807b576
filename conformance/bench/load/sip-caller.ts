import { clockUs } from './clock.ts';
import { field } from './sip-cutter.ts';
import { talkers } from './sip-messages.ts';
import type { Pair } from './stanzas.ts';

/** What came of the calls since they were counted last. */
export interface CallCount {
  /** Set up and, where they were to end, ended. */
  readonly done: number;
  /** 2xx that came again: the ACK was late, or the answer. */
  readonly repeated: number;
  /** Refused with 503: there were too many, and there will be room. */
  readonly shed: number;
  /** Refused for good, with the first status line that said so. */
  readonly failed: number;
  readonly failure: string;
  /** µs from INVITE to 200 of each call. */
  readonly setUps: readonly number[];
}

interface Call {
  readonly startUs: number;
  readonly from: string;
  readonly to: string;
  /** Where the requests of the dialog go, and the To of them; '' until it stands. */
  target: string;
  remote: string;
}

const offer = [
  'v=0',
  'o=romeo 2890844526 2890844526 IN IP4 192.0.2.17',
  's=-',
  'c=IN IP4 192.0.2.17',
  't=0 0',
  'm=audio 49170 RTP/AVP 0 8 96',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:96 telephone-event/8000',
  'a=fmtp:96 0-15',
  'a=sendrecv',
  '',
].join('\r\n');

/** Telephones of the partner that call: INVITE with an offer, ACK, BYE. */
export class SipCaller {
  readonly #write: (text: string) => void;
  readonly #sentBy: string;
  readonly #run: string;
  readonly #calls = new Map<string, Call>();
  /** Told whenever a call is done or has failed. */
  onDone: () => void = () => {};
  /** Calls are hung up as soon as they stand. */
  brief = true;
  #next = 0;
  #count = { done: 0, repeated: 0, shed: 0, failed: 0, failure: '', setUps: [] as number[] };

  constructor(write: (text: string) => void, sentBy: string, run: string) {
    this.#write = write;
    this.#sentBy = sentBy;
    this.#run = run;
  }

  /** Calls that are being set up, stand, or are being ended. */
  get open(): number {
    return this.#calls.size;
  }

  /** Refused with 503 since the last count. */
  get shed(): number {
    return this.#count.shed;
  }

  /** What came since the last time. */
  takeCount(): CallCount {
    const count = this.#count;
    this.#count = { done: 0, repeated: 0, shed: 0, failed: 0, failure: '', setUps: [] };
    return count;
  }

  call(pair: Pair): void {
    const n = this.#next++;
    const id = `${this.#run}${n.toString(16).padStart(10, '0')}`;
    const callId = `${id}@${pair.from}`;
    const { from, to } = talkers(pair, n);
    const call = { startUs: clockUs(), from: `<${from}>;tag=t${id}`, to: `<${to}>`, target: '', remote: '' };
    this.#calls.set(callId, call);
    this.#write(
      `${this.#head('INVITE', to, `${id}i`, callId, 1, call.from, call.to)}Contact: <${this.#contact}>\r\n` +
        'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE\r\nContent-Type: application/sdp\r\n' +
        `Content-Length: ${offer.length}\r\n\r\n${offer}`,
    );
  }

  /** Ends every call that stands. */
  hangUp(): void {
    for (const [callId, call] of this.#calls) if (call.remote !== '') this.#bye(callId, call);
  }

  /** A response to a request of these calls. */
  response(head: string): void {
    const status = Number(head.slice(8, 11));
    if (status < 200) return;
    const callId = field(head, 'Call-ID');
    const call = this.#calls.get(callId);
    const cseq = field(head, 'CSeq');
    if (cseq.endsWith('BYE')) {
      if (this.#calls.delete(callId) && status < 300) this.#count.done++;
      else this.#fail(head);
      this.onDone();
    } else if (status < 300) this.#answered(callId, call, head);
    else {
      this.#write(
        `${this.#head('ACK', call?.to.slice(1, -1) ?? '', this.#branchOf(head), callId, 1, field(head, 'From'), field(head, 'To'))}Content-Length: 0\r\n\r\n`,
      );
      this.#calls.delete(callId);
      this.#fail(head);
      this.onDone();
    }
  }

  #answered(callId: string, call: Call | undefined, head: string): void {
    if (call === undefined || call.remote !== '') {
      this.#count.repeated++;
      return;
    }
    this.#count.setUps.push(clockUs() - call.startUs);
    call.remote = field(head, 'To');
    call.target = uriOf(field(head, 'Contact'));
    const id = callId.slice(0, callId.indexOf('@'));
    this.#write(
      `${this.#head('ACK', call.target, `${id}a`, callId, 1, call.from, call.remote)}Content-Length: 0\r\n\r\n`,
    );
    if (this.brief) this.#bye(callId, call);
    else {
      this.#count.done++;
      this.onDone();
    }
  }

  #bye(callId: string, call: Call): void {
    const id = callId.slice(0, callId.indexOf('@'));
    this.#write(
      `${this.#head('BYE', call.target, `${id}b`, callId, 2, call.from, call.remote)}Content-Length: 0\r\n\r\n`,
    );
  }

  #fail(head: string): void {
    if (head.startsWith('SIP/2.0 503')) {
      this.#count.shed++;
      return;
    }
    this.#count.failed++;
    this.#count.failure ||= head.slice(0, head.indexOf('\r\n'));
  }

  #branchOf(head: string): string {
    return /;branch=z9hG4bK([^;\s]+)/.exec(field(head, 'Via'))?.[1] ?? '';
  }

  get #contact(): string {
    return `sip:romeo@${this.#sentBy};transport=tls`;
  }

  #head(method: string, target: string, id: string, callId: string, cseq: number, from: string, to: string): string {
    return (
      `${method} ${target} SIP/2.0\r\nVia: SIP/2.0/TLS ${this.#sentBy};branch=z9hG4bK${id}\r\nMax-Forwards: 70\r\n` +
      `From: ${from}\r\nTo: ${to}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq} ${method}\r\n`
    );
  }
}

/** The URI of a Contact. */
export function uriOf(contact: string): string {
  const start = contact.indexOf('<');
  return start < 0 ? contact : contact.slice(start + 1, contact.indexOf('>', start));
}
