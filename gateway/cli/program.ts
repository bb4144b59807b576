import { Command } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { addCheck } from './check.ts';
import { type Cli, example, exit } from './cli.ts';
import { addDemo } from './demo.ts';
import { reportThrown } from './fault-report.ts';
import { addInit } from './init.ts';
import { Interrupted } from './interrupt.ts';
import { addPartnerAdd } from './partner-add.ts';
import { addPartnerList } from './partner-list.ts';
import { addPartnerShow } from './partner-show.ts';
import { addPartnerTest } from './partner-test.ts';
import { addPolicyExplain } from './policy-explain.ts';
import { addPolicyLint } from './policy-lint.ts';
import { addPolicySchema } from './policy-schema.ts';
import { addRun } from './run.ts';
import type { Terminal } from './terminal.ts';
import { addUserAdd } from './user-add.ts';
import { addUserList } from './user-list.ts';
import { addUserPasswd } from './user-passwd.ts';
import { addUserRemove } from './user-remove.ts';

/** Runs one command of `drawbridge`; `args` without node and script. Never rejects: resolves to the exit code. */
export async function drawbridge(args: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode: number = exit.good;
  const program = commands({
    terminal,
    exit: (code) => {
      exitCode = code;
    },
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof Interrupted) return exit.interrupted;
    return reportThrown(terminal, thrown, args.includes('--json'), understood(program, args));
  }
}

/** The words of a command line that name a command. */
function understood(command: Command, [word, ...rest]: readonly string[]): string {
  const next = command.commands.find((one) => one.name() === word);
  return next === undefined ? command.name() : `${command.name()} ${understood(next, rest)}`;
}

function commands(cli: Cli): Command {
  const { terminal } = cli;
  const program = new Command('drawbridge')
    .description('A federation gateway: server-to-server XMPP between organisations, one policy file per partner.')
    .version(manifest.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
      // Errors are thrown as well, and said once, with their code and remedy.
      outputError: () => undefined,
    })
    .addHelpText(
      'after',
      `${example('drawbridge init && drawbridge check && drawbridge run')}

Exit codes: 0 good, 1 a finding or a refusal, 2 wrong use.`,
    );
  addInit(program, cli);
  addDemo(program, cli);
  addRun(program, cli);
  addCheck(program, cli);
  const partner = program
    .command('partner')
    .description('Take up a partner, and look at those there are.')
    .addHelpText('after', example('drawbridge partner add fabrikam.example'));
  addPartnerAdd(partner, cli);
  addPartnerList(partner, cli);
  addPartnerShow(partner, cli);
  addPartnerTest(partner, cli);
  const user = program
    .command('user')
    .description('The local users of the embedded home (`home.xmpp: { link: embedded }`).')
    .addHelpText('after', example('drawbridge user add alice@contoso.example'));
  addUserAdd(user, cli);
  addUserList(user, cli);
  addUserPasswd(user, cli);
  addUserRemove(user, cli);
  const policy = program
    .command('policy')
    .description('Look through policies, explain a verdict, print the schemas.')
    .addHelpText('after', example('drawbridge policy lint -c gateway.yaml'));
  addPolicyLint(policy, cli);
  addPolicyExplain(policy, cli);
  addPolicySchema(policy, cli);
  return program;
}
