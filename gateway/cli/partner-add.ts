import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { Fault } from '../../policies/fault.ts';
import type { ProofKind } from '../../policies/trust.ts';
import type { Protocol } from '../bridge/ports.ts';
import { type Cli, configOption, example, jsonOption } from './cli.ts';
import { readDomain } from './domain-argument.ts';
import { homeOf, homeOption, timeoutOption, viaOption } from './partner-options.ts';
import { pathText } from './place-text.ts';

/** Proofs that this build can find. */
const provable: readonly ProofKind[] = ['certificate', 'dialback'];

interface AddOptions {
  readonly config: string;
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly accept?: readonly ProofKind[];
  readonly home?: string;
  readonly via?: Protocol;
  /** ms */
  readonly timeout: number;
}

/** `partner add`: looks at a domain, and writes its first policy. */
export function addPartnerAdd(partner: Command, cli: Cli): void {
  partner
    .command('add')
    .description('Look at a domain (DNS, TLS, proofs) and write its first policy file. Never overwrites.')
    .argument('<domain>', "the partner's domain", readDomain)
    .addOption(configOption())
    .addOption(new Option('--dry-run', 'print the policy instead of writing it'))
    .addOption(
      new Option('--accept <proofs>', 'what the policy accepts, whatever was seen to hold').argParser(readProofs),
    )
    .addOption(viaOption('the protocol of the partner (default: SIP where DNS names nothing else, else XMPP)'))
    .addOption(homeOption())
    .addOption(timeoutOption('60s'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${example(
        'drawbridge partner add fabrikam.example',
        'drawbridge partner add fabrikam.example --accept certificate,dialback --dry-run',
        'drawbridge partner add fabrikam.example --via sip',
      )}

The partner is sent what opens a stream and a question about a dialback key that was made up, and nothing else; over SIP it
is shown our certificate, and sent nothing. With --json: { "domain", "via", "accept", "file", "written", "policy", "next", "findings", "errors", "warnings" }.
Exit code 1 where nothing proves the domain; then nothing is written, unless --accept says what to rely on.`,
    )
    .action(async (domain: string, options: AddOptions) => cli.exit(await add(domain, options, cli)));
}

async function add(domain: string, options: AddOptions, { terminal }: Cli): Promise<number> {
  const { json = false, dryRun = false } = options;
  const [{ requireConfig }, { freePlace, lintNew, writeNew }, { lookAtDomain }, { policyYaml }, { nextSteps }] =
    await Promise.all([
      import('../config/config.ts'),
      import('./partner/new-policy.ts'),
      import('./partner/onboarding.ts'),
      import('./partner/policy-yaml.ts'),
      import('./partner/next-steps.ts'),
    ]);
  const { probing } = await import('./partner/probing.ts');
  const at = await requireConfig(resolve(options.config));
  const home = homeOf(at, options.home);
  const free = await freePlace(domain, at);
  return probing(options, terminal, async (report, signal) => {
    report.add(...free.observations);
    const seen = await lookAtDomain(domain, { at, home, report, signal, accept: options.accept, via: options.via });
    const { via } = seen;
    const accept = acceptable(via, options.accept ?? (seen.proof === undefined ? [] : [seen.proof]));
    const nothing = { file: null, written: false, policy: null, next: [] };
    if (accept.length === 0) return report.end({ domain, via, accept, ...nothing });
    const { stanzaBytes } = at.config.edges.xmpp.limits;
    const defaults = free.defaults?.value ?? {};
    const day = new Date().toISOString().slice(0, 10);
    const chosen = options.accept !== undefined;
    const homeChosen = home !== at.config.home.domains[0];
    const policy = policyYaml({ ...seen, domain, accept, chosen, home, homeChosen, defaults, stanzaBytes, day });
    report.add(...lintNew(policy, free, stanzaBytes));
    if (!dryRun) await writeNew(policy, free.file);
    const next = nextSteps({ domain, file: free.file, via, home }, at.config);
    const code = report.end({ domain, via, accept, file: free.file, written: !dryRun, policy, next });
    if (json) return code;
    if (dryRun) terminal.out(`\n# ${pathText(free.file)}\n${policy.trimEnd()}`);
    else {
      terminal.out(`wrote  ${pathText(free.file)}`);
      terminal.out(`\nNext:\n${next.map((step, index) => `${index + 1}. ${step}`).join('\n')}`);
    }
    return code;
  });
}

/** Throws Fault `wrong-use` where a trunk is to be proven by what it does not have. */
function acceptable(via: Protocol, accept: readonly ProofKind[]): readonly ProofKind[] {
  if (via === 'xmpp' || accept.every((proof) => proof === 'certificate')) return accept;
  throw new Fault('wrong-use', 'A SIP trunk is proven by its certificate alone: there is no dialback in SIP.', {
    remedy: 'write `--accept certificate`',
  });
}

function readProofs(text: string): readonly ProofKind[] {
  const named = text.split(',').map((name) => name.trim());
  const known = provable.filter((proof) => named.includes(proof));
  if (known.length === named.length) return known;
  throw new InvalidArgumentError(`Proofs are ${provable.join(' and ')}, with commas between them.`);
}
