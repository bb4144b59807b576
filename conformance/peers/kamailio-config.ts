/** Where Kamailio sends what is not its own. */
export interface NextHop {
  readonly address: string;
  readonly port: number;
  readonly tls: boolean;
}

export interface KamailioConfig {
  readonly domain: string;
  readonly address: string;
  readonly ports: KamailioPorts;
  readonly folder: string;
  /** Foreign domain to its servers, the first that answers taken; `*` is everything else. */
  readonly routes: Readonly<Record<string, readonly NextHop[]>>;
  /** Seconds between two OPTIONS to each next hop; 0: none. */
  readonly pingSeconds: number;
  /** Further lines at the top of the request route. */
  readonly script: string;
}

export interface KamailioPorts {
  /** TLS for other servers: a certificate of the test authority is demanded. */
  readonly trunk: number;
  /** TLS for phones: no certificate is demanded. */
  readonly phones: number;
  readonly tcp: number;
}

const modules = [
  'ctl',
  'tm',
  'sl',
  'rr',
  'pv',
  'maxfwd',
  'usrloc',
  'registrar',
  'nathelper',
  'siputils',
  'textops',
  'xlog',
  'dispatcher',
  'tls',
];

/** `kamailio.cfg`: a registrar in memory and a proxy of one domain, which writes a line about each message it takes. */
export function kamailioConfig({
  domain,
  address,
  folder,
  ports,
  routes,
  pingSeconds,
  script,
}: KamailioConfig): string {
  const setsOf = (domains: readonly string[]) =>
    domains
      .map((foreign) => {
        const condition = foreign === '*' ? '$var(set) == 0' : `$rd == "${foreign}"`;
        return `  if (${condition}) $var(set) = ${Object.keys(routes).indexOf(foreign) + 1};`;
      })
      .join('\n');
  const named = Object.keys(routes).filter((foreign) => foreign !== '*');
  return `#!KAMAILIO
log_stderror=yes
debug=1
children=1
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
use_dns_cache=off
disable_core_dump=yes
enable_tls=yes
tcp_source_ipv4=${address}
tcp_connect_timeout=3
tcp_send_timeout=3
tcp_connection_lifetime=600
listen=tls:${address}:${ports.trunk}
listen=tls:${address}:${ports.phones}
listen=tcp:${address}:${ports.tcp}
alias="${domain}"

${modules.map((name) => `loadmodule "${name}.so"`).join('\n')}

modparam("ctl", "binrpc", "unix:${folder}/ctl")
modparam("tls", "config", "${folder}/tls.cfg")
modparam("tm", "fr_timer", 5000)
modparam("tm", "fr_inv_timer", 60000)
modparam("rr", "enable_double_rr", 1)
modparam("rr", "append_fromtag", 0)
modparam("usrloc", "db_mode", 0)
modparam("registrar", "max_contacts", 10)
modparam("registrar", "received_avp", "$avp(received)")
modparam("nathelper", "received_avp", "$avp(received)")
modparam("dispatcher", "list_file", "${folder}/dispatcher.list")
modparam("dispatcher", "xavp_dst", "next")
modparam("dispatcher", "flags", 2)
modparam("dispatcher", "reload_delta", 0)
modparam("dispatcher", "ds_ping_from", "sip:${domain}")
modparam("dispatcher", "ds_ping_interval", ${pingSeconds})
modparam("dispatcher", "ds_probing_mode", ${pingSeconds > 0 ? 1 : 0})

request_route {
  xlog("L_NOTICE", "request $rm <$ru> from <$fu> call $ci by $proto $si:$sp at $Rp\\n");
${script}
  if (!mf_process_maxfwd_header("70")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (has_totag()) {
    if (loose_route()) { handle_ruri_alias(); route(IN_DIALOG); exit; }
    if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
    sl_send_reply("404", "Not Here");
    exit;
  }
  if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
  t_check_trans();
  remove_hf("Route");
  if (is_method("INVITE|SUBSCRIBE")) record_route();
  if (is_method("REGISTER")) {
    fix_nated_register();
    if (!save("location")) sl_reply_error();
    exit;
  }
  if ($rd != "${domain}" && $rd != "${address}") { route(FOREIGN); exit; }
  if ($rU == $null) {
    if (is_method("OPTIONS")) sl_send_reply("200", "OK");
    else sl_send_reply("484", "Address Incomplete");
    exit;
  }
  if (!lookup("location")) { t_newtran(); t_reply("404", "Not Found"); exit; }
  if ($Rp != ${ports.trunk}) add_contact_alias();
  route(RELAY);
}

# A Contact that is a domain is found as a request to that domain is.
route[IN_DIALOG] {
  $var(set) = 0;
${setsOf(named)}
  if ($var(set) != 0 && $du == $null) ds_select_dst("$var(set)", "8");
  route(RELAY);
}

route[FOREIGN] {
  $var(set) = 0;
${setsOf(Object.keys(routes))}
  if ($var(set) == 0 || !ds_select_dst("$var(set)", "8")) { sl_send_reply("404", "No Route"); exit; }
  add_contact_alias();
  t_on_failure("NEXT");
  t_on_reply("ANSWERED");
  while (!t_relay()) {
    if (!ds_next_dst()) { sl_send_reply("503", "Next Hop Unreachable"); exit; }
  }
}

route[RELAY] {
  t_on_reply("ANSWERED");
  if (!t_relay()) sl_reply_error();
}

onreply_route[ANSWERED] {
  xlog("L_NOTICE", "response $rs $rr to $rm call $ci by $proto $si:$sp\\n");
}

failure_route[NEXT] {
  if (t_is_canceled()) exit;
  if (t_branch_timeout() || t_check_status("503")) {
    xlog("L_NOTICE", "failover $rm call $ci\\n");
    if (ds_next_dst()) { t_on_failure("NEXT"); route(RELAY); exit; }
  }
}
`;
}

/** `dispatcher.list`: one set a foreign domain, in the order of the routes. */
export function dispatcherList({
  routes,
  address,
  ports,
}: Pick<KamailioConfig, 'routes' | 'address' | 'ports'>): string {
  return Object.values(routes)
    .flatMap((hops, index) =>
      hops.map((hop, at) => {
        const socket = hop.tls ? `tls:${address}:${ports.trunk}` : `tcp:${address}:${ports.tcp}`;
        const uri = `sip:${hop.address}:${hop.port};transport=${hop.tls ? 'tls' : 'tcp'}`;
        return `${index + 1} ${uri} 0 ${hops.length - at} socket=${socket}\n`;
      }),
    )
    .join('');
}

/** `tls.cfg`: both sides present certificates on the trunk; the name asked of each next hop is its domain. */
export function tlsConfig({
  routes,
  address,
  ports,
  folder,
  domain,
}: Omit<KamailioConfig, 'pingSeconds' | 'script'>): string {
  const own = `private_key = ${folder}/certificates/${domain}.key
certificate = ${folder}/certificates/${domain}.crt
ca_list = ${folder}/certificates/ca.crt
method = TLSv1.2+
verify_depth = 3
`;
  const hops = Object.entries(routes).flatMap(([foreign, hops]) =>
    hops
      .filter(({ tls }) => tls)
      .map(
        (hop) => `[client:${hop.address}:${hop.port}]
${own}verify_certificate = yes
require_certificate = yes
${foreign === '*' ? '' : `server_name = ${foreign}\n`}`,
      ),
  );
  return `[server:default]
${own}verify_certificate = no
require_certificate = no
[client:default]
${own}verify_certificate = no
require_certificate = no
[server:${address}:${ports.trunk}]
${own}verify_certificate = yes
require_certificate = yes
${hops.join('')}`;
}
