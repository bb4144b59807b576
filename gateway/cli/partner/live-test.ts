import type { Fault } from '../../../policies/fault.ts';
import type { PartnerPolicy } from '../../../policies/partner.ts';
import type { PolicySet } from '../../../policies/set.ts';
import { PartnerTrust } from '../../bridge/partner-trust.ts';
import type { Checked } from '../check/checked.ts';
import { error, ok, type Report, warning } from '../observation.ts';
import { locate } from './domain-sight.ts';
import { trustWords } from './policy-words.ts';
import { probeContext } from './probe-context.ts';
import { remedyFor } from './remedies.ts';
import { tryServer } from './server-trial.ts';

export interface LiveTest {
  readonly at: Checked;
  readonly policies: PolicySet;
  readonly partner: PartnerPolicy;
  /** The home domain that we speak for. */
  readonly home: string;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/**
 * Opens a stream to each server of a partner's domain in the order the gateway would try them, and reports step by step.
 * One that is good suffices for traffic: then what is wrong with the others is a warning.
 */
export async function testPartner(domain: string, test: LiveTest): Promise<void> {
  const { at, policies, partner, home, report, signal } = test;
  using probe = await probeContext(at);
  const who = domain === partner.name ? `${domain} is a partner` : `${domain} belongs to the partner ${partner.name}`;
  report.add(ok('policies', `${who}; what proves it: ${trustWords(partner.trust)}`));
  if (partner.speaks === 'sip') {
    report.add(
      error('policies', 'the partner speaks SIP only', {
        reason: 'protocol-denied',
        place: partner.otherProtocol.rule,
        remedy: 'this command tries XMPP; how a trunk stands is in the log and in the metric drawbridge_trunks',
      }),
    );
    return;
  }
  report.progress(`asking DNS about ${domain}`);
  const { location, observations } = await locate(probe.resolver, domain, { dnssec: at.config.dns.dnssec, signal });
  report.add(...observations);
  if (location === undefined) return;
  const trust = new PartnerTrust(() => policies);
  const failures: Fault[] = [];
  for (const endpoint of location.endpoints) {
    report.progress(`trying ${endpoint.host}:${endpoint.port}`);
    const trial = { probe, home, domain, signal, trust: trust.judge.bind(trust), say: report.add.bind(report) };
    const failure = await tryServer(endpoint, trial);
    if (failure !== undefined) failures.push(failure);
  }
  const all = failures.length === location.endpoints.length;
  for (const { message, code, place, remedy = remedyFor(code) } of failures) {
    report.add((all ? error : warning)('stream', message, { reason: code, place, remedy }));
  }
  if (!all) report.add(ok('stream', `${domain} can be reached by ${home}`));
}
