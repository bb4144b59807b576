export interface NextSteps {
  readonly domain: string;
  /** The gateway's folder, as a person in this folder writes it. */
  readonly folder: string;
  /** How this program is called, e.g. `drawbridge`. */
  readonly command: string;
}

/** What remains to be done by hand after `init`. */
export function nextSteps({ domain, folder, command }: NextSteps): string {
  const at = (path: string) => (folder === '.' ? path : `${folder}/${path}`);
  const config = folder === '.' ? '' : ` -c ${at('gateway.yaml')}`;
  return `
Next:

1. Name a partner, and read through its file:
     cp ${at('policies/partner.example.yaml.sample')} ${at('policies/fabrikam.example.yaml')}

2. Let the local server hand this partner's traffic to the gateway. For Prosody:
     component_ports = { 5347 }
     s2s_ports = { }                      -- port 5269 is the gateway's now
     Component "fabrikam.example"         -- one for each of the partner's \`domains\`
       component_secret = "…"             -- the text of ${at('state/home-secret')}
       component_conflict_resolve = "kick_old"
       modules_disabled = { "s2s" }       -- else Prosody relays this traffic itself
     Component "conference.fabrikam.example"   -- the partner's chat rooms: the same four lines

3. Let partners find the gateway, in the DNS of ${domain}:
     _xmpp-server._tcp.${domain}.   SRV 0 5 5269 <name of the gateway>.
     _xmpps-server._tcp.${domain}.  SRV 0 5 5270 <name of the gateway>.
   and the same for conference.${domain}.

4. Let partners believe it: give them ${at('pki/ca.pem')}, or put a certificate of a public
   authority under \`tls.certificates\`. A partner's private CA goes under \`tls.trust\`.

5. Look at what is missing, and start:
     ${command} check${config}
     ${command} run${config}`;
}
