import { readConfig } from '../../config/config.ts';
import { type Observation, ofFinding, ok } from '../observation.ts';
import { pathText } from '../place-text.ts';
import { checkCertificates } from './certificates.ts';
import { checkDns } from './dns.ts';
import { checkHomeLink } from './home-link.ts';
import { checkListeners } from './listeners.ts';
import { checkLog } from './log.ts';
import { checkPolicies } from './policies.ts';
import { checkSip } from './sip.ts';
import { checkState } from './state.ts';
import { checkTrust } from './trust.ts';

/**
 * Looks at everything a gateway of this configuration (absolute path) depends on; what can wait on a network is tried
 * side by side. Rejects with Fault `config-unreadable`; all else is an observation.
 */
export async function checkEverything(file: string, progress: (what: string) => void): Promise<Observation[]> {
  const { config, findings, place } = await readConfig(file);
  const configuration = findings.map((finding) => ofFinding('configuration', finding));
  if (config === undefined) return configuration;
  if (configuration.length === 0) configuration.push(ok('configuration', `${pathText(file)} is sound`));
  const at = { config, place };

  progress(`policies, certificates, listeners and the DNS records of ${config.home.domains.length} home domains`);
  const domains = checkDns(at);
  const [policies, certificates, trust, state, log, listeners] = await Promise.all([
    checkPolicies({ folder: config.policies, at }),
    checkCertificates(at),
    checkTrust(at),
    checkState(at),
    checkLog(at),
    checkListeners(at),
  ]);
  const sip = checkSip(at, policies.set);
  const local = config.home.xmpp;
  progress(local.link === 'component' ? `the home link at ${local.host}:${local.port}` : 'the embedded home');
  const home = checkHomeLink(at, { partners: policies.set?.partners ?? [], running: listeners.inUse });
  return [
    ...configuration,
    ...policies.observations,
    ...certificates,
    ...trust,
    ...state,
    ...log,
    ...listeners.observations,
    ...(await domains),
    ...(await sip),
    ...(await home),
  ];
}
