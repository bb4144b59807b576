import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Cli, configOption, example, exit, jsonOption } from './cli.ts';
import { readDomain } from './domain-argument.ts';
import { placeText } from './place-text.ts';

interface ShowOptions {
  readonly config: string;
  readonly json?: boolean;
}

/** `partner show`: what is in force for a partner, in words. */
export function addPartnerShow(partner: Command, cli: Cli): void {
  partner
    .command('show')
    .description("Say in words what a partner's policy comes to, and which line of which file says it.")
    .argument('<domain>', "any of the partner's domains", readDomain)
    .addOption(configOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${example('drawbridge partner show fabrikam.example')}

With --json: { "partner", "place", "policy": [ { "title", "clauses": [ { "text", "place" } ] } ] }; a place is null where
no line decides, but silence or a default.`,
    )
    .action(async (domain: string, options: ShowOptions) => cli.exit(await show(domain, options, cli)));
}

async function show(domain: string, { config, json = false }: ShowOptions, { terminal }: Cli): Promise<number> {
  const [{ requireConfig }, { requirePartner }, { policyInWords }] = await Promise.all([
    import('../config/config.ts'),
    import('./partner/known-partner.ts'),
    import('./partner/policy-words.ts'),
  ]);
  const { partner } = await requirePartner(domain, await requireConfig(resolve(config)));
  const policy = policyInWords(partner);
  if (json) {
    const chapters = policy.map(({ title, clauses }) => ({
      title,
      clauses: clauses.map(({ text, place = null }) => ({ text, place })),
    }));
    terminal.out(JSON.stringify({ partner: partner.name, place: partner.place, policy: chapters }));
    return exit.good;
  }
  terminal.out(`${partner.name}  (${placeText(partner.place)})`);
  const width = Math.max(...policy.flatMap(({ clauses }) => clauses.map(({ text }) => text.length)));
  for (const { title, clauses } of policy) {
    terminal.out(`\n${title}`);
    for (const { text, place } of clauses) {
      terminal.out(`  ${place === undefined ? text : `${text.padEnd(width)}  ${placeText(place)}`}`);
    }
  }
  return exit.good;
}
