import { basename, join, relative, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Cli, example, exit, jsonOption } from './cli.ts';
import { readDomain } from './domain-argument.ts';
import { pathText } from './place-text.ts';

const launcher = join(import.meta.dirname, '../drawbridge.js');

interface InitOptions {
  readonly domain: string;
  readonly json?: boolean;
}

/** `init`: everything a first run needs. */
export function addInit(program: Command, cli: Cli): void {
  program
    .command('init')
    .description('Write a working gateway.yaml, policies, a private CA and a certificate. Never overwrites.')
    .argument('[dir]', 'the folder to write into, created where it does not exist', '.')
    .addOption(new Option('--domain <domain>', 'the home domain').argParser(readDomain).default('contoso.example'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${example('drawbridge init /etc/drawbridge --domain contoso.example')}

With --json: { "dir", "domain", "written", "kept" }.`,
    )
    .action(async (dir: string, { domain, json = false }: InitOptions) => {
      await init(resolve(dir), domain, json, cli);
      cli.exit(exit.good);
    });
}

async function init(dir: string, domain: string, json: boolean, { terminal }: Cli): Promise<void> {
  const { layOut } = await import('./init/lay-out.ts');
  const files = await layOut(dir, domain);
  const [written, kept] = [true, false].map((isNew) => files.filter((file) => file.isNew === isNew));
  if (json) {
    const paths = (some: typeof files = []) => some.map(({ path }) => join(dir, path));
    terminal.out(JSON.stringify({ dir, domain, written: paths(written), kept: paths(kept) }));
    return;
  }
  for (const { path, isNew, remark } of files) {
    terminal.out(`${isNew ? 'wrote' : 'kept '}  ${pathText(join(dir, path))}${isNew ? '' : `  (${remark})`}`);
  }
  const { nextSteps } = await import('./init/next-steps.ts');
  terminal.out(
    nextSteps({ domain, folder: relative(process.cwd(), dir) || '.', command: commandText(process.argv[1]) }),
  );
}

/** What a person types to call this program again: its name where it was found by that, else the launcher's path. */
function commandText(script = ''): string {
  if (script.endsWith('/node_modules/.bin/drawbridge')) return 'npx drawbridge';
  return basename(script) === 'drawbridge' ? 'drawbridge' : `node ${pathText(launcher)}`;
}
