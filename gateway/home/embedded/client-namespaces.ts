/** Namespaces of the client-to-server protocol, by the name of what they carry. */
export const clientNs = {
  client: 'jabber:client',
  bind: 'urn:ietf:params:xml:ns:xmpp-bind',
  session: 'urn:ietf:params:xml:ns:xmpp-session',
  framing: 'urn:ietf:params:xml:ns:xmpp-framing',
  channelBinding: 'urn:xmpp:sasl-cb:0',
} as const;
