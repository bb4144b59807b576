import type { SipMessage, SipRequest, SipResponse } from '../message/message.ts';
import { tagOf } from '../message/name-address.ts';
import type { Trunk } from '../port.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import type { Flow } from '../transport/flow.ts';

/** Who has a tag of ours, and so the dialogs that carry it: a call, a subscription. */
export interface DialogOwner {
  readonly callId: string;
  readonly trunk: Trunk;
  /** A request within one of its dialogs; to look at the peer's tag is the owner's. */
  requested(transaction: ServerTransaction): void;
  /** The ACK of a 2xx. */
  acknowledged(ack: SipRequest): void;
  /** A 2xx to an INVITE of its whose transaction is gone. */
  responded(response: SipResponse, flow: Flow): void;
}

/** All dialogs, by our tag in them: it is 128 random bits, so that no more is needed to find one. */
export class Dialogs {
  readonly #owners = new Map<string, DialogOwner>();

  get size(): number {
    return this.#owners.size;
  }

  set(tag: string, owner: DialogOwner): void {
    this.#owners.set(tag, owner);
  }

  /** Forgets a tag, if it is still this owner's. */
  delete(tag: string, owner: DialogOwner): void {
    if (this.#owners.get(tag) === owner) this.#owners.delete(tag);
  }

  /** The owner of the dialog that a request of the peer or a response to one of ours belongs to. */
  ownerOf(message: SipMessage): DialogOwner | undefined {
    const tag = tagOf(message.kind === 'request' ? message.to : message.from);
    const owner = this.#owners.get(tag);
    return owner?.callId === message.callId ? owner : undefined;
  }
}
