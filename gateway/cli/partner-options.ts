import { InvalidArgumentError, Option } from 'commander';
import { Fault } from '../../policies/fault.ts';
import { parseDuration } from '../../policies/units.ts';
import type { Checked } from './check/checked.ts';
import { readDomain } from './domain-argument.ts';

/** `--home contoso.example`: for which of our domains a probe speaks. */
export function homeOption(): Option {
  return new Option('--home <domain>', 'the home domain that asks (default: the first)').argParser(readDomain);
}

/** `--via sip`: by which protocol. */
export function viaOption(description: string): Option {
  return new Option('--via <protocol>', description).choices(['xmpp', 'sip']);
}

/** `--timeout 30s`: how long a whole command may take; its value is ms. */
export function timeoutOption(written: string): Option {
  return new Option('--timeout <duration>', 'how long it may take in all')
    .argParser(readTimeout)
    .default(readTimeout(written), written);
}

/** The home domain that is asked for. Throws Fault `domain-not-home` where it is none. */
export function homeOf({ config, place }: Checked, wanted: string | undefined): string {
  const { domains } = config.home;
  const home = wanted ?? domains[0] ?? '';
  if (domains.includes(home)) return home;
  throw new Fault('domain-not-home', `${home} is not one of the home domains.`, {
    place: place('home', 'domains'),
    remedy: `home domains: ${domains.join(', ')}`,
  });
}

function readTimeout(text: string): number {
  const measured = parseDuration(text);
  if ('problem' in measured) throw new InvalidArgumentError(`${measured.problem}: ${measured.remedy}.`);
  if (measured.value < 1) throw new InvalidArgumentError('It must be more than nothing.');
  return measured.value;
}
