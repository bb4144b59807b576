/** A first policies/defaults.yaml: it lets nothing cross by itself. */
export const defaultsYaml = `# What holds for every partner whose own file does not say otherwise: a section there replaces the section here, groups
# and limits are merged key by key. What neither file speaks of does not cross.

trust:
  accept: [certificate]         # what proves a partner: certificate, dialback; { all: [...] } demands several

limits:
  messages: { rate: 50/s, burst: 200 }
  presence: { rate: 50/s, burst: 500 }
  iq: { rate: 20/s, burst: 100 }
  subscriptions: { rate: 30/min }
  connections: 20
  contacts: 1000

# Without these nothing of the kind crosses, for any partner whose file does not say so itself:
# messages: { allow: both, maxBytes: 256KiB }   # both | inbound | outbound | none
# presence:                                     # the first rule that names the local user decides
#   - { local: "*", show: availability }        # nothing | availability | status | full
# iq: { allow: [] }                             # ping, disco and version cross by default; this stops them
`;

/** A partner's file to copy; its name ends so that it is not taken for a partner itself. */
export function partnerSample(domain: string): string {
  return `# A partner, to begin with. Copy it to policies/<the partner's domain>.yaml and put the partner's domain in.
# Then: drawbridge policy lint

partner: fabrikam.example
domains: [fabrikam.example, conference.fabrikam.example]  # "*.fabrikam.example" means every domain below it
speaks: xmpp

# Without its own certificate a partner can only be proven by dialback:
# trust: { accept: [certificate, dialback] }

# groups: { executives: ["ceo@${domain}", "cfo@${domain}"] }
presence:                       # the first rule that names the local user decides, silence is no
  # - { local: "group:executives", show: nothing }
  - { local: "*", show: availability }          # nothing | availability | status | full

messages: { allow: both, maxBytes: 256KiB }     # both | inbound | outbound | none
iq: { allow: [ping, disco, version] }           # others by namespace, such as "urn:xmpp:mam:2"

# limits: { messages: { rate: 10/s, burst: 50 } }
`;
}
