import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyPair } from './authority.ts';
import { defaultStanzaBytes, type PeerOptions } from './peer.ts';
import type { ServerCommand } from './process.ts';
import { ServerPeer } from './server-peer.ts';

export interface ProsodyOptions extends PeerOptions {
  /** false: a valid certificate is not demanded of servers; when left out, true unless `dialback`. */
  readonly secureAuth?: boolean | undefined;
  /** Further modules, such as `s2s_bidi`, `smacks`, `blocklist`. */
  readonly modules?: readonly string[] | undefined;
  /** Further global settings, in Lua. */
  readonly settings?: string | undefined;
}

/** Prosody 0.12 in the foreground. */
export class Prosody extends ServerPeer<ProsodyOptions> {
  /** Writes configuration, certificates and accounts, and starts the server. */
  static async start(options: ProsodyOptions): Promise<Prosody> {
    const prosody = new Prosody(options);
    await prosody.#write();
    await prosody.start();
    return prosody;
  }

  protected command(): ServerCommand {
    const { address, domain, folder, ports, directTls = false, components = [] } = this.options;
    const services = [
      `'s2s' on .*:${ports.s2s}\\b`,
      `'c2s' on .*:${ports.c2s}\\b`,
      ...(directTls ? [`'s2s_direct_tls' on .*:${ports.s2sDirectTls}\\b`] : []),
      ...(components.length > 0 ? [`'component' on .*:${ports.component}\\b`] : []),
    ];
    return {
      name: `prosody ${domain} at ${address}`,
      command: 'prosody',
      args: ['-F', '--config', join(folder, 'prosody.cfg.lua')],
      cwd: folder,
      ready: services.map((service) => new RegExp(`Activated service ${service}`)),
    };
  }

  async rotateCertificate(certificate: KeyPair): Promise<void> {
    await this.writeCertificate(certificate);
    await this.reload();
  }

  /** SIGHUP: configuration and certificates are read again. */
  async reload(): Promise<void> {
    const after = this.log.mark();
    this.server?.signal('SIGHUP');
    await this.log.waitFor(new RegExp(`\\s${this.domain}:tls\\s.*Certificates reloaded`), { after });
  }

  /** Adds an account, also while the server runs. */
  async addUser(username: string, password: string): Promise<void> {
    const accounts = join(this.options.folder, 'data', storageName(this.domain), 'accounts');
    await mkdir(accounts, { recursive: true });
    const file = join(accounts, `${storageName(username)}.dat`);
    await writeFile(file, `return { ["password"] = ${lua(password)}; };\n`);
  }

  async #write(): Promise<void> {
    await this.layOut();
    await this.addUsers();
    await writeFile(join(this.options.folder, 'prosody.cfg.lua'), configuration(this.options));
  }
}

const modules = ['posix', 'roster', 'saslauth', 'tls', 'disco', 'ping', 'version', 'offline', 's2s', 'c2s'];

function configuration(options: ProsodyOptions): string {
  const { address, dialback = false, directTls = false, folder, nameserver, ports } = options;
  const { stanzaBytes = defaultStanzaBytes } = options;
  const enabled = [...modules, ...(dialback ? ['dialback'] : []), ...(options.modules ?? [])];
  const components = (options.components ?? []).map(
    ({ domain, secret, own = false }) => `
Component ${lua(domain)}
  component_secret = ${lua(secret)}
  component_conflict_resolve = "kick_old"
${own ? '' : '  modules_disabled = { "s2s" } -- else the component\'s traffic is relayed over the server\'s own streams\n'}`,
  );
  const rooms = options.rooms
    ? `
Component ${lua(options.rooms)} "muc"
  restrict_room_creation = false
  muc_room_locking = false
`
    : '';
  return `run_as_root = true
data_path = ${lua(join(folder, 'data'))}
modules_enabled = { ${enabled.map(lua).join(', ')} }
authentication = "internal_plain"
storage = "internal"
log = { { to = "stdout", levels = { min = ${lua(options.logLevel ?? 'info')} }, timestamps = "%H:%M:%S " } }

interfaces = { ${lua(address)} }
c2s_ports = { ${ports.c2s} }
s2s_ports = { ${ports.s2s} }
s2s_direct_tls_ports = { ${directTls ? ports.s2sDirectTls : ''} }
component_interfaces = { ${lua(address)} }
component_ports = { ${options.components?.length ? ports.component : ''} }
use_ipv6 = false
unbound = { resolvconf = false; hoststxt = false; forward = ${lua(`${nameserver.address}@${nameserver.port}`)} }

certificates = ${lua(join(folder, 'certificates'))}
ssl = { cafile = ${lua(join(folder, 'certificates', 'ca.crt'))} }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_require_encryption = true
s2s_secure_auth = ${options.secureAuth ?? !dialback}
s2s_timeout = 20
s2s_close_timeout = 2
c2s_close_timeout = 2
c2s_stanza_size_limit = ${stanzaBytes}
s2s_stanza_size_limit = ${stanzaBytes}
component_stanza_size_limit = ${stanzaBytes}
${options.settings ?? ''}
VirtualHost ${lua(options.domain)}
${rooms}${components.join('')}`;
}

/** A Lua string literal. */
function lua(text: string): string {
  return `"${text.replace(/["\\\n]/g, (character) => `\\${character}`)}"`;
}

/** How `util.datamanager` spells a domain or user name as a file name. */
function storageName(text: string): string {
  return Buffer.from(text)
    .toString('latin1')
    .replace(/[^A-Za-z0-9]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
