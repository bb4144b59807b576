/** Messages that contoso.example takes at once from its partner, and per second after that. */
export const BURST = 100;

/** What contoso.example thinks of fabrikam.example. */
export const policyForFabrikam = `partner: fabrikam.example
domains: [fabrikam.example]
trust: { accept: [certificate] }
groups: { executives: [ceo@contoso.example] }
presence:
  - { local: "group:executives", show: nothing }
  - { local: "*", show: status }
messages: { allow: both }
limits:
  messages: { rate: ${BURST}/s, burst: ${BURST} }
`;

/** And of northwind.example, whose gateway comes from this machine like everybody here. */
export const policyForNorthwind = `partner: northwind.example
speaks: sip
domains: [northwind.example]
trust: { accept: [certificate] }
trunk: { addresses: [127.0.0.0/8] }
messages: { allow: both }
calls: { allow: both }
`;

/** What fabrikam.example thinks of contoso.example. */
export const policyForContoso = `partner: contoso.example
domains: [contoso.example]
trust: { accept: [certificate] }
presence:
  - { local: "*", show: availability }
messages: { allow: both }
`;
