/** A first gateway.yaml, with every section shown. */
export function gatewayYaml(domain: string): string {
  const name = plainOrQuoted(domain);
  const conference = plainOrQuoted(`conference.${domain}`);
  return `# The gateway of ${domain}. Paths are relative to this file; every key is in README.md, "Configuration reference".
# Look it through with: drawbridge check

state: ./state                  # database, keys and spool; created with mode 0700
policies: ./policies            # defaults.yaml, and one file per partner: taken up on change, nothing drops

home:
  domains: [${name}, ${conference}]
  xmpp:
    link: component             # the local server takes each partner domain as a component (XEP-0114)
    host: 127.0.0.1
    port: 5347
    secret: { file: state/home-secret }     # or { env: HOME_SECRET }

edges:
  xmpp:
    listen: ["0.0.0.0:5269"]    # with STARTTLS; IPv6: "[::]:5269"
    directTls: ["0.0.0.0:5270"] # TLS from the first byte (XEP-0368)
    # dialback: { secret: { env: DIALBACK_SECRET } }  # the same on every node; made up at start without it
  # sip: { listen: ["0.0.0.0:5061"] }       # SIP trunks, over TLS

tls:
  certificates:                 # chosen by domain; taken up on change, nothing drops
    - { cert: ${plainOrQuoted(`pki/${domain}.pem`)}, key: ${plainOrQuoted(`pki/${domain}.key`)} }
  trust: [system, pki/ca.pem]   # whose certificates are believed: the system's authorities and PEM files

dns:
  # servers: ["127.0.0.1:53"]   # without this key the system's
  dnssec: trust-ad              # trust-ad (a validating resolver on this machine) or off

admin: { listen: "127.0.0.1:8480" }         # metrics; keep it on loopback

log: { level: info }            # file: drawbridge.log to write there instead of standard error
`;
}

/** YAML reads a text as a text where it can be nothing else; numbers and `null` want quotes. */
function plainOrQuoted(text: string): string {
  return /^[a-z][a-z0-9_/-]*(\.[a-z0-9_-]+)+$/.test(text) ? text : JSON.stringify(text);
}
