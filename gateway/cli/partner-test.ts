import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Protocol } from '../bridge/ports.ts';
import { type Cli, configOption, example, jsonOption } from './cli.ts';
import { readDomain } from './domain-argument.ts';
import { homeOf, homeOption, timeoutOption, viaOption } from './partner-options.ts';

interface TestOptions {
  readonly config: string;
  readonly json?: boolean;
  readonly home?: string;
  readonly via?: Protocol;
  /** ms */
  readonly timeout: number;
}

/** `partner test`: a live probe. */
export function addPartnerTest(partner: Command, cli: Cli): void {
  partner
    .command('test')
    .description(
      "Open a stream, or a SIP trunk, to each of a partner's servers as the gateway would, and ping: one line a step.",
    )
    .argument('<domain>', "a domain of the partner's", readDomain)
    .addOption(configOption())
    .addOption(homeOption())
    .addOption(viaOption('what to try (default: what the gateway would take, by its policy and DNS)'))
    .addOption(timeoutOption('30s'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${example('drawbridge partner test fabrikam.example', 'drawbridge partner test fabrikam.example --via sip --json')}

It may run beside the gateway and takes nothing from it: its streams carry one ping and no stanza of anybody, its trunks one
OPTIONS. With --json: { "partner", "domain", "home", "via", "findings", "errors", "warnings" }; a finding has a "reason" of
the registry. Exit code 0 where at least one server takes us, 1 where none does, 130 after Ctrl-C.`,
    )
    .action(async (domain: string, options: TestOptions) => cli.exit(await test(domain, options, cli)));
}

async function test(domain: string, options: TestOptions, { terminal }: Cli): Promise<number> {
  const [{ requireConfig }, { requirePartner }, { testPartner }, { probing }] = await Promise.all([
    import('../config/config.ts'),
    import('./partner/known-partner.ts'),
    import('./partner/live-test.ts'),
    import('./partner/probing.ts'),
  ]);
  const at = await requireConfig(resolve(options.config));
  const home = homeOf(at, options.home);
  const known = await requirePartner(domain, at);
  return probing(options, terminal, async (report, signal) => {
    const homeChosen = options.home !== undefined;
    const tried = await testPartner(domain, { at, home, homeChosen, via: options.via, ...known, report, signal });
    return report.end({ partner: known.partner.name, domain, ...tried });
  });
}
