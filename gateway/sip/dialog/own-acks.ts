import type { ExtraHeaders, Sdp } from '../port.ts';
import { setSdp } from './body.ts';
import type { Dialog } from './dialog.ts';
import type { Outbound } from './outbound.ts';
import { addHeaders } from './request.ts';

const none: ExtraHeaders = [];

/** The ACKs of one dialog to the 2xx of our INVITEs (RFC 3261 §13.2.2.4): made again from the dialog, not kept. */
export class OwnAcks {
  /** With what the INVITE under way answered a challenge; its ACK has the same (RFC 3261 §22.1). */
  credentials: ExtraHeaders = none;
  readonly #dialog: Dialog;
  readonly #outbound: Outbound;
  /** The latest INVITE, by its CSeq, whose 2xx was acknowledged, and with which answer. */
  #sent = 0;
  #sdp: Sdp | undefined;
  #owed = 0;

  constructor(dialog: Dialog, outbound: Outbound) {
    this.#dialog = dialog;
    this.#outbound = outbound;
  }

  /** The INVITE whose 2xx has an offer and waits for our answer; 0: none. */
  get owed(): number {
    return this.#owed;
  }

  owe(cseq: number): void {
    this.#owed = cseq;
  }

  /** The first ACK to a 2xx; a second one is none. */
  send(cseq: number, sdp: Sdp | undefined): void {
    if (cseq <= this.#sent) return;
    this.#owed = 0;
    this.#sent = cseq;
    this.#sdp = sdp;
    this.again(cseq);
  }

  /** The 2xx came again; false where it was never acknowledged. */
  again(cseq: number): boolean {
    if (cseq !== this.#sent) return false;
    const ack = this.#dialog.ack(cseq);
    addHeaders(ack, this.credentials);
    setSdp(ack, this.#sdp);
    this.#outbound.ack(ack, this.#dialog.flow);
    return true;
  }
}
