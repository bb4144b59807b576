import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { KeyPair } from './authority.ts';
import { defaultStanzaBytes, type PeerOptions } from './peer.ts';
import type { ServerCommand } from './process.ts';
import { ServerPeer } from './server-peer.ts';

export interface EjabberdOptions extends PeerOptions {
  /** Further modules with their options, such as `{ mod_blocking: {} }`. */
  readonly modules?: Readonly<Record<string, object>> | undefined;
  /** Further top-level settings. */
  readonly settings?: Readonly<Record<string, unknown>> | undefined;
}

/** ejabberd 23.01 on a bare Erlang node: no epmd, no distribution; expressions read from standard input take the place of `ejabberdctl`. */
export class Ejabberd extends ServerPeer<EjabberdOptions> {
  #evaluations = 0;

  /** Writes configuration and certificates, starts the server and registers its users. */
  static async start(options: EjabberdOptions): Promise<Ejabberd> {
    const ejabberd = new Ejabberd(options);
    await ejabberd.#write();
    await ejabberd.start();
    await ejabberd.addUsers();
    await ejabberd.flush();
    return ejabberd;
  }

  protected command(): ServerCommand {
    const { address, domain, folder } = this.options;
    const ports = listeners(this.options).map(({ port }) => port);
    return {
      name: `ejabberd ${domain} at ${address}`,
      command: 'erl',
      args: ['-noshell', '-mnesia', 'dir', `"${join(folder, 'data')}"`, '-s', 'ejabberd', '-eval', evaluator],
      cwd: folder,
      env: {
        ERL_LIBS: `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
        ERL_INETRC: join(folder, 'inetrc'),
        ERL_CRASH_DUMP: join(folder, 'erl_crash.dump'),
        EJABBERD_CONFIG_PATH: join(folder, 'ejabberd.yml'),
        EJABBERD_LOG_PATH: join(folder, 'ejabberd.log'),
        HOME: folder,
      },
      ready: [/ is started in the node /, ...ports.map((port) => new RegExp(`Start accepting .*:${port} for `))],
    };
  }

  async rotateCertificate(certificate: KeyPair): Promise<void> {
    await this.writeCertificate(certificate);
    await this.evaluate('ejabberd_admin:reload_config()');
  }

  /** Registers an account; throws when ejabberd refuses. */
  async addUser(username: string, password: string): Promise<void> {
    const result = await this.evaluate(
      `ejabberd_auth:try_register(${binary(username)}, ${binary(this.domain)}, ${binary(password)})`,
    );
    if (result !== 'ok') throw new Error(`ejabberd did not register ${username}: ${result}`);
  }

  /** Puts what Mnesia still holds in memory on disk; what it was told in the seconds before a `kill` is lost otherwise. */
  async flush(): Promise<void> {
    await this.evaluate('mnesia:sync_log()');
  }

  /** Evaluates an Erlang expression (without a newline) inside the node; resolves with its printed value. */
  async evaluate(expression: string): Promise<string> {
    this.#evaluations += 1;
    const prefix = `=answer ${this.#evaluations} `;
    const answer = this.log.waitFor(new RegExp(`^${prefix}`));
    this.server?.write(`${this.#evaluations} ${expression}.`);
    return (await answer).slice(prefix.length);
  }

  async #write(): Promise<void> {
    await this.layOut();
    const { folder, nameserver } = this.options;
    await writeFile(join(folder, 'ejabberd.yml'), stringify(configuration(this.options)));
    const server = nameserver.address.split('.').join(',');
    await writeFile(
      join(folder, 'inetrc'),
      `{resolv_conf,"/dev/null"}.
{hosts_file,"/dev/null"}.
{host,{127,0,0,1},["localhost","${hostname()}"]}.
{lookup,[file,dns]}.
{nameserver,{${server}},${nameserver.port}}.
`,
    );
  }
}

interface Listener {
  readonly port: number;
  readonly module: string;
  readonly [option: string]: unknown;
}

function listeners({ address, ports, ...options }: EjabberdOptions): Listener[] {
  const shared = { ip: address, shaper: 'none', max_stanza_size: options.stanzaBytes ?? defaultStanzaBytes };
  const hosts = Object.fromEntries(
    (options.components ?? []).map(({ domain, secret }) => [domain, { password: secret }]),
  );
  return [
    { ...shared, port: ports.c2s, module: 'ejabberd_c2s', access: 'all' },
    { ...shared, port: ports.s2s, module: 'ejabberd_s2s_in' },
    ...(options.directTls ? [{ ...shared, port: ports.s2sDirectTls, module: 'ejabberd_s2s_in', tls: true }] : []),
    ...(options.components?.length
      ? // With global routes every component would get the traffic of all of them, and order is lost between the two.
        [{ ...shared, port: ports.component, module: 'ejabberd_service', access: 'all', global_routes: false, hosts }]
      : []),
  ];
}

function configuration(options: EjabberdOptions): object {
  const certificates = join(options.folder, 'certificates');
  const attached = (options.components ?? []).filter(({ own }) => !own).map(({ domain }) => domain);
  return {
    loglevel: options.logLevel ?? 'info',
    log_rotate_count: 0,
    hosts: [options.domain],
    certfiles: [join(certificates, `${options.domain}.pem`)],
    ca_file: join(certificates, 'ca.crt'),
    s2s_cafile: join(certificates, 'ca.crt'),
    s2s_use_starttls: 'required',
    // Seconds. After a failed connection everything bounces until a retry, by default for up to 300 s.
    s2s_max_retry_delay: 1,
    negotiation_timeout: 20,
    // Without this, traffic for an attached domain goes out over s2s while its component is away.
    ...(attached.length > 0 ? { acl: { attached: { server: attached } } } : {}),
    access_rules: { federation: [...(attached.length > 0 ? [{ deny: 'attached' }] : []), 'allow'] },
    s2s_access: 'federation',
    auth_method: ['internal'],
    auth_password_format: 'plain',
    listen: listeners(options),
    modules: {
      mod_roster: {},
      mod_disco: {},
      mod_ping: {},
      mod_version: {},
      mod_offline: {},
      ...(options.dialback ? { mod_s2s_dialback: {} } : {}),
      ...(options.rooms ? { mod_muc: { hosts: [options.rooms], access: 'all', access_create: 'all' } } : {}),
      ...options.modules,
    },
    ...options.settings,
  };
}

/**
 * Reads lines `NUMBER EXPRESSION.` and prints `=answer NUMBER VALUE`. Standard input ends with the process that holds its other end: then the
 * node halts at once.
 */
const evaluator = `spawn(fun() ->
  (fun Next() ->
    case io:get_line("") of
      Line when is_list(Line) ->
        {ok, [{integer, _, Number} | Tokens], _} = erl_scan:string(Line),
        Value = try
          {ok, Expressions} = erl_parse:parse_exprs(Tokens),
          {value, Result, _} = erl_eval:exprs(Expressions, []),
          Result
        catch Class:Reason -> {Class, Reason} end,
        io:format("=answer ~b ~0p~n", [Number, Value]),
        Next();
      _ -> erlang:halt(1, [{flush, false}])
    end
  end)()
end).`;

/** An Erlang binary literal. */
function binary(text: string): string {
  return `<<${[...Buffer.from(text)].join(',')}>>`;
}
