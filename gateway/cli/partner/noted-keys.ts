import { DialbackKeys } from '../../xmpp/dialback-key.ts';

/** Dialback keys that remember whether one was ever shown: then a certificate alone did not prove us. */
export class NotedKeys extends DialbackKeys {
  #shown = false;

  get shown(): boolean {
    return this.#shown;
  }

  override key(...of: Parameters<DialbackKeys['key']>): string {
    this.#shown = true;
    return super.key(...of);
  }
}
