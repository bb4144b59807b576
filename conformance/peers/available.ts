import { execFileSync } from 'node:child_process';
import { accessSync, constants, globSync } from 'node:fs';
import { join } from 'node:path';

/** Programs that every path of a Debian user may lack. */
const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];

interface Requirement {
  /** The Debian package that brings it. */
  readonly package: string;
  readonly installed: () => boolean;
}

const requirements = {
  prosody: [
    { package: 'prosody', installed: () => hasCommand('prosody') },
    { package: 'lua-unbound', installed: () => prosodyReport().includes('luaunbound') },
  ],
  ejabberd: [
    { package: 'ejabberd', installed: () => hasCommand('ejabberdctl') },
    { package: 'erlang-base', installed: () => hasCommand('erl') },
  ],
  profanity: [
    { package: 'profanity', installed: () => hasCommand('profanity') },
    { package: 'bsdutils', installed: () => hasCommand('script') },
  ],
  haproxy: [{ package: 'haproxy', installed: () => hasCommand('haproxy') }],
  kamailio: [
    { package: 'kamailio', installed: () => hasCommand('kamailio') && hasCommand('kamcmd') },
    { package: 'kamailio-tls-modules', installed: () => globSync('/usr/lib/*/kamailio/modules/tls.so').length > 0 },
  ],
  sipp: [{ package: 'sip-tester', installed: () => hasCommand('sipp') }],
  baresip: [{ package: 'baresip-core', installed: () => hasCommand('baresip') }],
  stunnel: [{ package: 'stunnel4', installed: () => hasCommand('stunnel4') }],
} as const satisfies Record<string, readonly Requirement[]>;

export type PeerName = keyof typeof requirements;

/** The Debian packages that are missing on this machine for these peers. */
export function missingPackages(...peers: PeerName[]): string[] {
  return peers.flatMap((peer) =>
    requirements[peer].filter(({ installed }) => !installed()).map((requirement) => requirement.package),
  );
}

/**
 * Whether the peers of a scenario are installed, for `describe.runIf`. Where something is missing it says what to install; under `CI=true` it
 * throws, so that no scenario is skipped there unnoticed.
 */
export function requirePeers(...peers: PeerName[]): boolean {
  const missing = missingPackages(...peers);
  if (missing.length === 0) return true;
  const message = `these scenarios need ${peers.join(' and ')}: apt install ${missing.join(' ')}`;
  if (process.env.CI === 'true') throw new Error(message);
  console.warn(`skipped: ${message}`);
  return false;
}

/** Such as `0.12.3`; undefined when Prosody is not installed or does not tell. */
export function prosodyVersion(): string | undefined {
  return /^Prosody (\S+)/m.exec(prosodyReport())?.[1];
}

let report: string | undefined;

/** `prosodyctl about`, which names the version and the Lua modules that were found; asked once. */
function prosodyReport(): string {
  if (report === undefined) {
    report = hasCommand('prosodyctl') ? execFileSync('prosodyctl', ['about'], { encoding: 'utf8' }) : '';
  }
  return report;
}

function hasCommand(name: string): boolean {
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
