import { Fault } from '../policies/fault.ts';
import type { Finding } from '../policies/finding.ts';
import { loadPolicies } from '../policies/folder.ts';
import type { PolicySet } from '../policies/set.ts';

/** Policies that have an error: the gateway does not start on them. */
export class PolicyFault extends Fault {
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    const first = findings.find(({ severity }) => severity === 'error') ?? findings[0];
    super('policy-invalid', first?.message, { place: first?.place, remedy: first?.remedy });
    this.name = 'PolicyFault';
    this.findings = findings;
  }
}

/** Rejects with a {@link PolicyFault}. */
export async function requirePolicies(folder: string): Promise<PolicySet> {
  const { set, findings } = await loadPolicies(folder);
  if (set === undefined) throw new PolicyFault(findings);
  return set;
}
