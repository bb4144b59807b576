import type { Fault } from '../../../policies/fault.ts';
import type { PartnerPolicy } from '../../../policies/partner.ts';
import type { PolicySet } from '../../../policies/set.ts';
import { PartnerTrust } from '../../bridge/partner-trust.ts';
import type { Protocol } from '../../bridge/ports.ts';
import type { Checked } from '../check/checked.ts';
import { error, ok, type Report, warning } from '../observation.ts';
import { locate } from './domain-sight.ts';
import { trustWords } from './policy-words.ts';
import { type ProbeContext, probeContext } from './probe-context.ts';
import { protocolOf } from './protocol-sight.ts';
import { remedyFor } from './remedies.ts';
import { tryServer } from './server-trial.ts';
import { testTrunk } from './trunk-test.ts';

export interface LiveTest {
  readonly at: Checked;
  readonly policies: PolicySet;
  readonly partner: PartnerPolicy;
  /** The home domain that we speak for, and whether it was asked for. */
  readonly home: string;
  readonly homeChosen: boolean;
  /** The protocol to try; undefined: the one that the gateway would take. */
  readonly via: Protocol | undefined;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/**
 * Tries a partner's domain over the protocol that the gateway would take, and reports step by step. Resolves with that
 * protocol, and the home domain that was spoken for.
 */
export async function testPartner(
  domain: string,
  test: LiveTest,
): Promise<{ readonly via: Protocol; readonly home: string }> {
  const { at, partner, report, signal } = test;
  using probe = await probeContext(at);
  const who = domain === partner.name ? `${domain} is a partner` : `${domain} belongs to the partner ${partner.name}`;
  report.add(ok('policies', `${who}; what proves it: ${trustWords(partner.trust)}`));
  const via = test.via ?? (await protocolFor(domain, probe, test));
  if (via === 'sip') {
    const chosen = test.homeChosen ? test.home : undefined;
    return { via, home: await testTrunk({ at, probe, partner, home: chosen, report, signal }) };
  }
  await testStreams(domain, probe, test);
  return { via, home: test.home };
}

/** As the gateway chooses it: by the policy, or by DNS where that says so. */
async function protocolFor(domain: string, { resolver }: ProbeContext, test: LiveTest): Promise<Protocol> {
  const { partner, report, signal } = test;
  if (partner.speaks !== 'auto') return partner.speaks;
  const via = await protocolOf(resolver, domain, { otherwise: partner.trunk === undefined ? 'xmpp' : 'sip', signal });
  if (via === 'sip') report.add(ok('policies', 'DNS names no XMPP server, so the gateway speaks SIP with it'));
  return via;
}

/**
 * Opens a stream to each server of a partner's domain in the order the gateway would try them. One that is good suffices
 * for traffic: then what is wrong with the others is a warning.
 */
async function testStreams(domain: string, probe: ProbeContext, test: LiveTest): Promise<void> {
  const { at, policies, partner, home, report, signal } = test;
  if (partner.speaks === 'sip') {
    const { rule: place } = partner.otherProtocol;
    const remedy = 'leave out `--via xmpp`, or write `speaks: auto`';
    report.add(error('policies', 'the partner speaks SIP only', { reason: 'protocol-denied', place, remedy }));
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
