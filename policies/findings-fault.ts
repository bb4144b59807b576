import { Fault } from './fault.ts';
import type { Finding } from './finding.ts';
import type { ReasonCode } from './reasons.ts';

/** Files that cannot be used, with everything that is wrong with them. It stands where the first error stands. */
export class FindingsFault extends Fault {
  readonly findings: readonly Finding[];

  constructor(code: ReasonCode, findings: readonly Finding[]) {
    const [first, ...more] = findings.filter(({ severity }) => severity === 'error');
    const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
    super(code, first && `${first.message}${others}`, { place: first?.place, remedy: first?.remedy });
    this.name = 'FindingsFault';
    this.findings = findings;
  }
}
