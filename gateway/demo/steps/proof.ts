import { ns } from '../../xmpp/namespaces.ts';
import { having, type LogLine } from '../log-line.ts';
import type { Organisation } from '../organisation.ts';
import type { Scene } from '../scene.ts';
import type { Step } from '../step.ts';

export const proof: Step<Scene> = {
  name: 'certificates prove both',
  expected: 'a ping is answered, and either gateway has proven the other by its certificate, over TLS 1.3',
  essential: true,
  async look({ contoso, fabrikam, cast }, signal) {
    const before = performance.now();
    const { attrs } = await cast.alice.request(`<ping xmlns='${ns.ping}'/>`, { to: fabrikam.domain });
    const ms = Math.round(performance.now() - before);
    const lines = await Promise.all([proven(contoso, fabrikam, signal), proven(fabrikam, contoso, signal)]);
    const both = lines.every(byCertificate);
    const versions = [...new Set(lines.map(({ tls, cipher }) => `${tls} ${cipher}`))];
    return {
      holds: attrs.type === 'result' && both && lines.every(({ tls }) => tls === 'TLSv1.3'),
      seen:
        `${both ? 'each proved the other by certificate' : lines.map(evidenceText).join(' and ')}, ` +
        `${versions.join(' and ')}; ping: ${attrs.type} in ${ms} ms`,
    };
  },
};

interface ProofFound {
  readonly proof: string;
  readonly holds: boolean;
}

function proven({ daemon }: Organisation, partner: Organisation, signal: AbortSignal): Promise<LogLine> {
  const wanted = having({ event: 'stream-proven', partner: partner.domain });
  return daemon.log.find(`a proof of ${partner.domain}`, wanted, 0, signal);
}

function byCertificate(line: LogLine): boolean {
  return evidenceOf(line).some(({ proof, holds }) => proof === 'certificate' && holds);
}

function evidenceText(line: LogLine): string {
  return evidenceOf(line)
    .map(({ proof, holds }) => `${proof} ${holds ? 'holds' : 'does not hold'}`)
    .join(', ');
}

function evidenceOf({ evidence }: LogLine): readonly ProofFound[] {
  return Array.isArray(evidence) ? evidence : [];
}
