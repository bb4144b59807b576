import { loadTrust } from '../pki/trust.ts';
import { asFault } from '../policies/fault.ts';
import { findingText } from '../policies/finding.ts';
import { loadPolicies } from '../policies/folder.ts';
import type { Bridge } from './bridge/bridge.ts';
import type { Config } from './config/config.ts';
import { FileWatch } from './config/file-watch.ts';
import { loadCertificates } from './credentials.ts';
import type { Resolver } from './dns/resolver.ts';
import { credentialFiles } from './gateway-options.ts';
import type { JournalLog } from './journal-log.ts';
import type { LocalHome } from './local-home.ts';
import type { ProtocolChoice } from './protocol-choice.ts';
import type { SipParts } from './sip-stack.ts';
import type { XmppEdge } from './xmpp/edge.ts';
import type { CertificateProof } from './xmpp/evidence/certificate.ts';
import type { OwnCertificates } from './xmpp/own-certificates.ts';

export interface ReloadParts {
  readonly config: Config;
  readonly journal: JournalLog;
  readonly resolver: Resolver;
  readonly bridge: Bridge;
  readonly edge: XmppEdge;
  /** Undefined where there are no SIP trunks. */
  readonly sip: SipParts | undefined;
  readonly choice: ProtocolChoice;
  readonly home: LocalHome;
  readonly own: OwnCertificates;
  readonly proof: CertificateProof;
}

/**
 * Takes policies and certificates anew when their files change or when asked. One reading at a time, in order; what is
 * wrong is logged and leaves in force what was.
 */
export class Reload {
  readonly #parts: ReloadParts;
  readonly #watches: readonly FileWatch[];
  #last: Promise<void> = Promise.resolve();

  constructor(parts: ReloadParts) {
    this.#parts = parts;
    const { config } = parts;
    this.#watches = [
      new FileWatch({ folders: [config.policies] }, () => void this.#next(() => this.#policies())),
      new FileWatch({ files: credentialFiles(config) }, () => void this.#next(() => this.#credentials())),
    ];
  }

  /** Reads everything again, asks DNS anew, watches what stands there now, and opens the log file anew. */
  async now(): Promise<void> {
    this.#parts.resolver.forget();
    for (const watch of this.#watches) watch.arm();
    await this.#next(() => this.#policies());
    await this.#next(() => this.#credentials());
    this.#parts.journal.reopen();
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
  }

  #next(read: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(read).catch((error) => this.#parts.journal.defect(error));
    return this.#last;
  }

  async #policies(): Promise<void> {
    const { config, journal, bridge, edge, sip, choice, home } = this.#parts;
    const { set, findings } = await loadPolicies(config.policies);
    if (set === undefined) {
      journal.refuse('reload-failed', 'policy-invalid', { findings: findings.map(findingText) });
      return;
    }
    bridge.replacePolicies(set);
    home.policiesChanged(set);
    edge.reconsider();
    choice.clear();
    sip?.policiesChanged(set);
    journal.note('reloaded', { what: 'policies', partners: set.partners.length, findings: findings.map(findingText) });
  }

  async #credentials(): Promise<void> {
    const { config, journal, edge, sip, own, proof } = this.#parts;
    try {
      const certificates = await loadCertificates(config);
      const anchors = await loadTrust(config.tls.trust);
      own.replace(certificates);
      proof.replaceAnchors(anchors);
      edge.credentialsChanged();
      sip?.credentialsChanged(certificates, anchors);
      const fingerprints = certificates.map(({ fingerprint }) => fingerprint);
      journal.note('reloaded', { what: 'certificates', certificates: fingerprints });
    } catch (error) {
      const fault = asFault(error);
      journal.refuse('reload-failed', fault.code, { detail: fault.message, place: fault.place, remedy: fault.remedy });
    }
  }
}
