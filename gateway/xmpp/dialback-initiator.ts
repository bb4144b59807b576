import { parse } from 'ltx';
import { foldDomain, wireDomain } from '../../policies/address.ts';
import { Fault } from '../../policies/fault.ts';
import type { EdgeContext } from './edge-context.ts';
import type { DialbackOutcome } from './evidence/dialback.ts';
import { ns } from './namespaces.ts';
import type { ScannedElement } from './start-tag.ts';
import { escapeAttribute } from './xml.ts';
import type { XmlStream } from './xml-stream.ts';

type Answer = { readonly type: string; readonly condition: string };

/** Questions awaiting an answer on one stream; more wait for a stream of their own. */
const OUTSTANDING = 64;

/**
 * Dialback on a stream that we opened: as initiating server it claims our domains (XEP-0220 §2.1.1), as receiving
 * server it asks the authoritative one about a key (§2.1.2). Only answers to these very questions count.
 */
export class DialbackInitiator {
  readonly #context: EdgeContext;
  readonly #xml: XmlStream;
  readonly #streamId: () => string;
  readonly #outstanding = new Map<string, (answer: Answer | Fault) => void>();
  #closed: Fault | undefined;

  /** `streamId`: the id the peer gave to this stream. */
  constructor(context: EdgeContext, xml: XmlStream, streamId: () => string) {
    this.#context = context;
    this.#xml = xml;
    this.#streamId = streamId;
  }

  /** Rejects with `dialback-invalid`, `dialback-unreachable` or `stream-timeout`. */
  async authorize(home: string, partner: string, timeoutMs: number): Promise<void> {
    const key = this.#context.keys.key(partner, home, this.#streamId());
    const element = `<db:result ${addresses(home, partner)}>${key}</db:result>`;
    const answer = await this.#ask(`result ${partner} ${home}`, element, timeoutMs);
    if (answer.type === 'valid') return;
    if (answer.type === 'invalid') throw new Fault('dialback-invalid', 'The peer says our dialback key is not ours.');
    throw new Fault('dialback-unreachable', `The peer could not verify us: ${answer.condition || answer.type}.`);
  }

  async verify(
    home: string,
    partner: string,
    streamId: string,
    key: string,
    timeoutMs: number,
  ): Promise<DialbackOutcome> {
    const id = escapeAttribute(streamId);
    const element = `<db:verify ${addresses(home, partner)} id='${id}'>` + `${escapeAttribute(key)}</db:verify>`;
    try {
      const answer = await this.#ask(`verify ${partner} ${home} ${streamId}`, element, timeoutMs);
      if (answer.type === 'valid' || answer.type === 'invalid') return answer.type;
      return answer.condition === 'item-not-found' ? 'remote-not-found' : 'dialback-unreachable';
    } catch {
      return 'dialback-unreachable';
    }
  }

  element(element: ScannedElement): void {
    const partner = foldDomain(element.from) ?? '';
    const home = foldDomain(element.to) ?? '';
    const question = `${element.name} ${partner} ${home}${element.name === 'verify' ? ` ${element.id}` : ''}`;
    const settle = element.type === '' ? undefined : this.#outstanding.get(question);
    if (settle === undefined) {
      this.#context.journal.refuse('dialback-refused', 'dialback-unsolicited', {
        partner,
        home,
        direction: 'outbound',
      });
      return;
    }
    settle({ type: element.type, condition: conditionOf(element) });
  }

  close(fault: Fault): void {
    this.#closed = fault;
    for (const settle of [...this.#outstanding.values()]) settle(fault);
  }

  #ask(question: string, element: string, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(this.#closed);
        return;
      }
      if (this.#outstanding.size >= OUTSTANDING || this.#outstanding.has(question)) {
        reject(new Fault('connections-full', 'Too many dialback questions on one stream.'));
        return;
      }
      const timer = setTimeout(() => settle(new Fault('stream-timeout', 'No answer to dialback.')), timeoutMs);
      const settle = (answer: Answer | Fault): void => {
        clearTimeout(timer);
        this.#outstanding.delete(question);
        if (answer instanceof Fault) reject(answer);
        else resolve(answer);
      };
      this.#outstanding.set(question, settle);
      this.#xml.send(element);
    });
  }
}

function addresses(home: string, partner: string): string {
  return `from='${escapeAttribute(wireDomain(home))}' to='${escapeAttribute(wireDomain(partner))}'`;
}

/** The condition inside `<error/>`, '' where there is none. */
function conditionOf(element: ScannedElement): string {
  if (element.type !== 'error') return '';
  const error = parse(element.bytes.toString()).getChild('error');
  for (const child of error?.children ?? []) {
    if (typeof child !== 'string' && child.getNS() === ns.stanzaErrors) return child.getName();
  }
  return '';
}
