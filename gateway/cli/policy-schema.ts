import { type Command, Option } from 'commander';
import { type Cli, example, jsonOption } from './cli.ts';

interface SchemaOptions {
  readonly defaults?: boolean;
  readonly gateway?: boolean;
}

/** `policy schema`: JSON Schema for editors. */
export function addPolicySchema(policy: Command, cli: Cli): void {
  policy
    .command('schema')
    .description('Print the JSON Schema of a partner’s policy file, for editors.')
    .addOption(new Option('--defaults', 'the schema of defaults.yaml instead').conflicts('gateway'))
    .addOption(new Option('--gateway', 'the schema of gateway.yaml instead'))
    .addOption(jsonOption('on one line'))
    .addHelpText(
      'after',
      `${example('drawbridge policy schema > policy.schema.json')}

An editor with a YAML language server takes it up by a first line such as
  # yaml-language-server: $schema=policy.schema.json`,
    )
    .action(async ({ json, ...which }: SchemaOptions & { readonly json?: boolean }) => {
      cli.terminal.out(JSON.stringify(await schema(which), null, json === true ? undefined : 2));
    });
}

async function schema({ defaults, gateway }: SchemaOptions): Promise<Record<string, unknown>> {
  if (gateway === true) return (await import('../config/schema.ts')).gatewayJsonSchema();
  const { defaultsJsonSchema, policyJsonSchema } = await import('../../policies/schema.ts');
  return defaults === true ? defaultsJsonSchema() : policyJsonSchema();
}
