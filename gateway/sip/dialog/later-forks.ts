import { Headers } from '../message/headers.ts';
import { SipRequest, type SipResponse } from '../message/message.ts';
import { tagOf } from '../message/name-address.ts';
import type { Flow } from '../transport/flow.ts';
import { Dialog } from './dialog.ts';
import { exchange } from './exchange.ts';
import { addHeaders } from './request.ts';
import type { Place } from './session.ts';

/** The 2xx to a call of ours that nobody waits for: each is acknowledged and ended (RFC 3261 §13.2.2.4). */
export class LaterForks {
  readonly #place: Place;
  /** What a dialog takes from the INVITE, and no more: this stays for as long as its transaction. */
  readonly #invite: SipRequest;
  /** By the tag of the peer; ended already, but a repeated 2xx wants its ACK again. */
  readonly #dialogs = new Map<string, Dialog>();

  constructor(place: Place, { method, uri, headers }: SipRequest) {
    this.#place = place;
    const kept = ['From', 'Call-ID', 'CSeq'].map((name): [string, string] => [name, headers.get(name) ?? '']);
    this.#invite = new SipRequest(method, uri, new Headers(kept));
  }

  release(response: SipResponse, flow: Flow | undefined): void {
    const { core, outbound } = this.#place;
    const tag = tagOf(response.to);
    const known = this.#dialogs.get(tag);
    if (known === undefined && this.#dialogs.size >= core.limits.earlyDialogs) return;
    const dialog = known ?? Dialog.ofResponse(this.#invite, response, flow);
    outbound.ack(dialog.ack(response.cseq.number), dialog.flow);
    if (known !== undefined) return;
    this.#dialogs.set(tag, dialog);
    void exchange(outbound, {
      dialog,
      build: (credentials) => {
        const bye = dialog.request('BYE');
        addHeaders(bye, credentials);
        return bye;
      },
    });
  }
}
