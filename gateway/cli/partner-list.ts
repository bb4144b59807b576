import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { PartnerPolicy } from '../../policies/partner.ts';
import { type Cli, configOption, example, exit, jsonOption } from './cli.ts';
import { placeText } from './place-text.ts';

interface ListOptions {
  readonly config: string;
  readonly json?: boolean;
}

/** `partner list`: who the partners are. */
export function addPartnerList(partner: Command, cli: Cli): void {
  partner
    .command('list')
    .description('List the partners: their domains, what proves them, and the file that says so.')
    .addOption(configOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${example('drawbridge partner list', "drawbridge partner list --json | jq -r '.partners[].partner'")}

With --json: { "partners": [ { "partner", "domains", "speaks", "trust": { "mode", "methods", "rule" }, "place" } ] }.`,
    )
    .action(async (options: ListOptions) => cli.exit(await list(options, cli)));
}

async function list({ config, json = false }: ListOptions, { terminal }: Cli): Promise<number> {
  const [{ requireConfig }, { requirePolicies }] = await Promise.all([
    import('../config/config.ts'),
    import('../../policies/folder.ts'),
  ]);
  const at = await requireConfig(resolve(config));
  const { partners } = await requirePolicies(at.config.policies, at.place('policies'));
  if (json) {
    terminal.out(JSON.stringify({ partners: partners.map(plain) }));
    return exit.good;
  }
  if (partners.length === 0) terminal.err('there is no partner yet: drawbridge partner add <domain>');
  const { trustWords } = await import('./partner/policy-words.ts');
  const rows = partners.map((partner) => [
    partner.name,
    trustWords(partner.trust),
    placeText(partner.place),
    [...partner.claims.keys()].join(', '),
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows) terminal.out(row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return exit.good;
}

function plain({ name, claims, speaks, trust, place }: PartnerPolicy): Record<string, unknown> {
  const { mode, methods, rule = null } = trust;
  return { partner: name, domains: [...claims.keys()], speaks, trust: { mode, methods, rule }, place };
}
