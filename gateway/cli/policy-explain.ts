import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Address, parseAddress } from '../../policies/address.ts';
import { Fault, type Place } from '../../policies/fault.ts';
import { requirePolicies } from '../../policies/folder.ts';
import { type Consideration, type Direction, judge, type Kind, type Verdict } from '../../policies/judge.ts';
import { reasons } from '../../policies/reasons.ts';
import { iqAliases } from '../../policies/schema/traffic.ts';
import { refuse } from '../../policies/verdict.ts';
import { requireConfig } from '../config/config.ts';
import { type Cli, configOption, example, exit, jsonOption } from './cli.ts';
import { pathText } from './place-text.ts';

const kinds: readonly Kind[] = ['message', 'presence', 'subscription', 'iq', 'call', 'transfer', 'join'];

interface ExplainOptions {
  readonly config: string;
  readonly json?: boolean;
  readonly kind: Kind;
  readonly from: Address;
  readonly to: Address;
  readonly direction?: Direction;
  readonly via: 'xmpp' | 'sip';
  /** ms since the epoch. */
  readonly at?: number;
  readonly bytes?: number;
  readonly namespace?: string;
}

/** `policy explain`: what would happen to one crossing, and which line says so. */
export function addPolicyExplain(policy: Command, cli: Cli): void {
  policy
    .command('explain')
    .description('Say whether something would cross, why, and which line of which file decides.')
    .addOption(configOption())
    .addOption(new Option('--kind <kind>', 'what wants to cross').choices(kinds).makeOptionMandatory())
    .addOption(new Option('--from <address>', 'who sends').argParser(readAddress).makeOptionMandatory())
    .addOption(new Option('--to <address>', 'who is to get it').argParser(readAddress).makeOptionMandatory())
    .addOption(
      new Option('--direction <direction>', 'inbound is from the partner to us; told by the home domains').choices([
        'inbound',
        'outbound',
      ]),
    )
    .addOption(new Option('--via <protocol>', 'the protocol of the partner').choices(['xmpp', 'sip']).default('xmpp'))
    .addOption(new Option('--at <time>', 'when, ISO 8601 (default: now)').argParser(readTime))
    .addOption(new Option('--bytes <n>', 'the size of a message on the wire').argParser(readBytes))
    .addOption(
      new Option('--namespace <ns>', 'of an iq: a namespace, or ping, disco, version (default: ping)').argParser(
        readNamespace,
      ),
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `${example(
        'drawbridge policy explain --kind message --from bob@fabrikam.example --to alice@contoso.example',
        'drawbridge policy explain --kind iq --namespace urn:xmpp:mam:2 --from alice@contoso.example --to fabrikam.example --json',
      )}

With --json: { "verdict", "reason", "rule": { "file", "line" } | null, "considered": [ … ] }.
Exit code 0 for allow and reshape, 1 for refuse. Rates are not asked: they depend on what crossed just before.`,
    )
    .action(async (options: ExplainOptions) => cli.exit(await explain(options, cli)));
}

async function explain(options: ExplainOptions, { terminal }: Cli): Promise<number> {
  const { config, place } = await requireConfig(resolve(options.config));
  const policies = await requirePolicies(config.policies, place('policies'));
  const sides = sidesOf(options, config.home.domains);
  const considered: Consideration[] = [];
  const verdict = config.home.domains.includes(sides.local.domain)
    ? judge(
        policies.partnerOf(sides.remote.domain),
        {
          ...sides,
          kind: options.kind,
          via: options.via,
          at: options.at ?? Date.now(),
          ...(options.bytes === undefined ? {} : { bytes: options.bytes }),
          ...(options.kind === 'iq' ? { namespace: options.namespace ?? readNamespace('ping') } : {}),
        },
        considered,
      )
    : refuse('domain-not-home');
  if (options.json === true) terminal.out(JSON.stringify(plain(verdict, considered)));
  else for (const line of await lines(options, sides, verdict, considered)) terminal.out(line);
  return verdict.verdict === 'refuse' ? exit.found : exit.good;
}

interface Sides {
  readonly direction: Direction;
  readonly local: Address;
  readonly remote: Address;
}

/** Which side is ours: the home domains tell where the direction is not given. Throws Fault `wrong-use`. */
function sidesOf({ from, to, direction }: ExplainOptions, home: readonly string[]): Sides {
  const way = direction ?? directionOf(from, to, home);
  return way === 'outbound' ? { direction: way, local: from, remote: to } : { direction: way, local: to, remote: from };
}

function directionOf(from: Address, to: Address, home: readonly string[]): Direction {
  const [fromHome, toHome] = [home.includes(from.domain), home.includes(to.domain)];
  if (fromHome !== toHome) return fromHome ? 'outbound' : 'inbound';
  const domains = `${from.domain} and ${to.domain}`;
  throw new Fault(
    'wrong-use',
    fromHome
      ? `${domains} are both home domains: this does not come through the gateway.`
      : `Neither of ${domains} is a home domain, so the direction cannot be told.`,
    { remedy: `Home domains: ${home.join(', ')}. Name one and a partner's, or give --direction.` },
  );
}

function plain({ verdict, reason, rule }: Verdict, considered: readonly Consideration[]): Record<string, unknown> {
  return { verdict, reason, rule: rule === undefined ? null : { file: rule.file, line: rule.line }, considered };
}

async function lines(
  { kind, from, to }: ExplainOptions,
  { direction }: Sides,
  { verdict, reason, rule }: Verdict,
  considered: readonly Consideration[],
): Promise<string[]> {
  const decided =
    rule === undefined ? 'no rule' : `${pathText(rule.file)}:${rule.line}  ${await textOf(rule, considered)}`;
  return [
    `${verdict} (${reason})  ${direction} ${kind}, ${from.bare} → ${to.bare}`,
    reasons[reason].operator,
    `decided by: ${decided}`,
    ...(considered.length === 0 ? [] : ['considered:']),
    ...considered.flatMap(({ file, line, rule: text, matched, why }) => [
      `  ${matched ? '✓' : '✗'} ${pathText(file)}:${line}  ${text}`,
      `      ${why}`,
    ]),
  ];
}

/** The rule at a place: as it was considered, else the line as it stands in the file. */
async function textOf({ file, line }: Place, considered: readonly Consideration[]): Promise<string> {
  const same = considered.find((one) => one.file === file && one.line === line);
  return same?.rule ?? (await readFile(file, 'utf8')).split(/\r?\n/)[line - 1]?.trim() ?? '';
}

function readAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new InvalidArgumentError('An address is `user@domain` or `domain`.');
  return address;
}

function readTime(text: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new InvalidArgumentError('A time is written `2030-01-31T09:30:00Z`.');
  return at;
}

function readBytes(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('A size is a whole number of bytes.');
  return Number(text);
}

/** A short name stands for the first of its namespaces. */
function readNamespace(text: string): string {
  return (Object.hasOwn(iqAliases, text) ? iqAliases[text]?.[0] : undefined) ?? text;
}
