/**
 * The one registry of reasons: every refusal, proof and fault of Drawbridge has its stable code here.
 *
 * Plain data, usable by any floor. A code turns into wire only at an edge: `xmpp` is the stanza error condition of
 * RFC 6120 §8.3.3, `type` its error type (§8.3.2), `sip` the SIP status. Partners see no more than that; `operator`
 * is the sentence an administrator reads in a log line, in `check` and in `policy explain`.
 */
export interface Reason {
  readonly xmpp: StanzaCondition;
  readonly type: 'cancel' | 'modify' | 'auth' | 'wait' | 'continue';
  readonly sip: number;
  readonly operator: string;
}

/** Defined stanza error conditions, RFC 6120 §8.3.3. */
export type StanzaCondition =
  | 'bad-request'
  | 'conflict'
  | 'feature-not-implemented'
  | 'forbidden'
  | 'gone'
  | 'internal-server-error'
  | 'item-not-found'
  | 'jid-malformed'
  | 'not-acceptable'
  | 'not-allowed'
  | 'not-authorized'
  | 'policy-violation'
  | 'recipient-unavailable'
  | 'redirect'
  | 'registration-required'
  | 'remote-server-not-found'
  | 'remote-server-timeout'
  | 'resource-constraint'
  | 'service-unavailable'
  | 'subscription-required'
  | 'undefined-condition'
  | 'unexpected-request';

const reason = (xmpp: StanzaCondition, type: Reason['type'], sip: number, operator: string): Reason => ({
  xmpp,
  type,
  sip,
  operator,
});

export const reasons = {
  // What policy decides.
  allowed: reason('undefined-condition', 'continue', 200, 'A policy rule allows it.'),
  'policy-silent': reason('service-unavailable', 'cancel', 403, 'No policy rule speaks of it, and silence is no.'),
  'no-partner': reason('service-unavailable', 'cancel', 403, 'No policy file names this domain as a partner.'),
  'protocol-denied': reason(
    'service-unavailable',
    'cancel',
    403,
    'The policy says that this partner speaks another protocol.',
  ),
  'direction-denied': reason('policy-violation', 'cancel', 403, 'The policy does not allow this direction.'),
  'message-too-big': reason('policy-violation', 'modify', 413, 'The message is larger than the policy allows.'),
  'iq-namespace-denied': reason('service-unavailable', 'cancel', 403, 'The policy does not list this IQ namespace.'),
  'iq-unsolicited': reason('unexpected-request', 'cancel', 481, 'An IQ answer to no request that crossed.'),
  'presence-hidden': reason(
    'service-unavailable',
    'cancel',
    404,
    'The policy shows this partner nothing of this user.',
  ),
  'presence-reduced': reason('undefined-condition', 'continue', 200, 'The policy reduces what this partner sees.'),
  'calls-unavailable': reason('service-unavailable', 'cancel', 501, 'This gateway carries no calls.'),
  'transfer-denied': reason('not-allowed', 'cancel', 403, 'The policy lets this partner transfer no calls.'),
  'redirect-denied': reason('not-allowed', 'cancel', 403, 'The policy follows no redirection (3xx) of a call.'),
  'destination-denied': reason('not-allowed', 'cancel', 403, 'The policy lets this partner call no such number.'),
  'sips-denied': reason('not-acceptable', 'modify', 480, 'It asks for TLS on every hop (sips), which ends here.'),
  'calls-concurrent': reason('resource-constraint', 'wait', 480, 'More calls at a time than the policy allows.'),
  'calls-rate': reason('resource-constraint', 'wait', 480, 'More calls in a minute than the policy allows.'),
  'rate-messages': reason('resource-constraint', 'wait', 503, 'More messages than the policy allows.'),
  'rate-presence': reason('resource-constraint', 'wait', 503, 'More presence than the policy allows.'),
  'rate-iq': reason('resource-constraint', 'wait', 503, 'More IQs than the policy allows.'),
  'rate-subscriptions': reason(
    'resource-constraint',
    'wait',
    503,
    'More subscription requests than the policy allows.',
  ),
  'contacts-full': reason('resource-constraint', 'wait', 403, 'The partner has as many contacts as the policy allows.'),
  'connections-full': reason('resource-constraint', 'wait', 503, 'More connections than the limits allow.'),

  // Who somebody is.
  'trust-insufficient': reason(
    'not-authorized',
    'auth',
    403,
    'What the partner proved is not what its policy demands.',
  ),
  'certificate-missing': reason('not-authorized', 'auth', 403, 'The partner presented no certificate.'),
  'certificate-malformed': reason('not-authorized', 'auth', 403, 'The certificate cannot be read.'),
  'certificate-expired': reason('not-authorized', 'auth', 403, 'A certificate of the chain has expired.'),
  'certificate-not-yet-valid': reason('not-authorized', 'auth', 403, 'A certificate of the chain is not valid yet.'),
  'certificate-self-signed': reason('not-authorized', 'auth', 403, 'The certificate is self-signed and not trusted.'),
  'certificate-untrusted': reason('not-authorized', 'auth', 403, 'The chain leads to no trusted authority.'),
  'certificate-bad-signature': reason('not-authorized', 'auth', 403, 'A signature of the chain does not verify.'),
  'certificate-bad-chain': reason('not-authorized', 'auth', 403, 'The chain breaks a rule (authority, length, names).'),
  'certificate-wrong-name': reason('not-authorized', 'auth', 403, 'The certificate is valid but names another domain.'),
  'certificate-wrong-purpose': reason('not-authorized', 'auth', 403, 'The certificate is not issued for this purpose.'),
  'certificate-weak': reason('not-authorized', 'auth', 403, 'The key or signature algorithm is too weak.'),
  'dialback-invalid': reason('forbidden', 'auth', 403, 'The authoritative server disowned the dialback key.'),
  'dialback-unreachable': reason('remote-server-timeout', 'wait', 504, 'The authoritative server could not be asked.'),
  'dialback-unsolicited': reason('unexpected-request', 'cancel', 403, 'A dialback answer to no question of ours.'),
  'sender-not-proven': reason('not-authorized', 'auth', 403, 'The sender is of a domain not proven on this stream.'),
  'trunk-unknown': reason('not-authorized', 'auth', 403, 'No SIP trunk takes this connection, or this sender on it.'),
  'trunk-address-denied': reason(
    'not-authorized',
    'auth',
    403,
    'The connection comes from an address that its SIP trunk does not list.',
  ),
  'stanza-before-proof': reason('not-authorized', 'auth', 403, 'A stanza arrived before the partner was proven.'),

  // Who a local user is.
  'authentication-failed': reason('not-authorized', 'auth', 403, 'A local user gave wrong credentials.'),
  'account-locked': reason('not-authorized', 'auth', 403, 'Too many failed sign-ins: no more for a while.'),
  'account-exists': reason('conflict', 'cancel', 500, 'There is such a user already.'),
  'account-unknown': reason('item-not-found', 'cancel', 404, 'There is no such user.'),
  'account-changed': reason('not-authorized', 'auth', 403, 'The user was removed or has a new password.'),
  'password-unusable': reason('not-acceptable', 'modify', 500, 'The password cannot be used.'),
  'session-replaced': reason('conflict', 'cancel', 480, 'Another client of the user took its place.'),
  'session-ended': reason('recipient-unavailable', 'wait', 480, 'The session of a local client was ended.'),

  // What a wire carries.
  'address-malformed': reason('jid-malformed', 'modify', 400, 'An address is missing or malformed.'),
  'domain-not-home': reason('item-not-found', 'cancel', 404, 'The domain is not one of the home domains.'),
  'stanza-malformed': reason('bad-request', 'modify', 400, 'The stanza breaks a rule of XMPP.'),
  'xml-malformed': reason('bad-request', 'modify', 400, 'The XML is not well-formed.'),
  'xml-restricted': reason('bad-request', 'modify', 400, 'The XML uses what XMPP forbids (RFC 6120 §11.1).'),
  'stanza-too-big': reason('policy-violation', 'modify', 513, 'The stanza is larger than the limit.'),
  'page-too-long': reason('policy-violation', 'modify', 513, 'The message is longer than a SIP MESSAGE may be.'),
  'page-without-text': reason('not-acceptable', 'modify', 415, 'The message has no text that SIP could carry.'),
  'groupchat-not-carried': reason('feature-not-implemented', 'cancel', 501, 'No group chat crosses to a SIP partner.'),
  'sip-address-none': reason('jid-malformed', 'modify', 400, 'The address cannot be written as a SIP address.'),
  'call-over': reason('item-not-found', 'cancel', 481, 'The call ended before this could be done.'),
  'call-unacknowledged': reason('remote-server-timeout', 'wait', 504, 'The answer to a call was never acknowledged.'),
  'sip-malformed': reason('bad-request', 'modify', 400, 'The SIP message breaks a rule of SIP.'),
  'sip-too-big': reason('policy-violation', 'modify', 513, 'The SIP message is larger than the limits.'),
  'sip-unsendable': reason('bad-request', 'modify', 500, 'A value to be sent holds what would break a SIP message.'),
  'sip-only-messages': reason(
    'feature-not-implemented',
    'cancel',
    501,
    'The partner speaks SIP, which carries no such stanza.',
  ),
  'sip-method': reason('feature-not-implemented', 'cancel', 405, 'No such SIP method crosses to XMPP.'),
  'sip-not-a-message': reason('bad-request', 'modify', 400, 'The SIP MESSAGE cannot become a message stanza.'),
  'sips-not-bridged': reason(
    'policy-violation',
    'modify',
    480,
    'A `sips:` address demands TLS on every hop, which XMPP cannot promise.',
  ),
  'sip-rejected': reason('undefined-condition', 'cancel', 500, "The partner's SIP server refused it."),
  'sip-not-kept': reason('internal-server-error', 'cancel', 500, 'The store did not take the message in time.'),
  'trunk-missing': reason('remote-server-not-found', 'cancel', 404, 'There is no SIP trunk to this partner.'),
  'loop-detected': reason('not-acceptable', 'modify', 482, 'It has been here before, or has no hops left.'),
  'stream-error': reason('remote-server-timeout', 'wait', 504, 'The stream ended with an error.'),
  'stream-protocol': reason('bad-request', 'cancel', 400, 'The peer broke the rules of stream negotiation.'),
  'stream-timeout': reason('remote-server-timeout', 'wait', 504, 'The peer took too long.'),
  'stream-idle': reason('remote-server-timeout', 'wait', 504, 'The peer no longer answers.'),
  'tls-unavailable': reason(
    'remote-server-timeout',
    'wait',
    504,
    'The peer offers no TLS and the configuration demands it.',
  ),
  'tls-failed': reason('remote-server-timeout', 'wait', 504, 'The TLS handshake failed.'),
  'starttls-injection': reason('not-authorized', 'auth', 403, 'Bytes arrived in clear behind the STARTTLS exchange.'),

  // Where it should have gone.
  'remote-not-found': reason('remote-server-not-found', 'cancel', 404, 'DNS knows no such server.'),
  'remote-unreachable': reason('remote-server-timeout', 'wait', 504, 'No server of the domain could be reached.'),
  'queue-full': reason('resource-constraint', 'wait', 503, 'The send queue to this partner is full.'),
  'queue-expired': reason('remote-server-timeout', 'wait', 504, 'It waited too long for the other side.'),
  'home-unavailable': reason('service-unavailable', 'wait', 503, 'The home server is not connected.'),
  'home-refused': reason('service-unavailable', 'cancel', 503, 'The home server refuses the component link.'),
  'shutting-down': reason('service-unavailable', 'wait', 503, 'The gateway is stopping.'),

  // What the store keeps.
  'store-failed': reason('resource-constraint', 'wait', 503, 'The store cannot take it, such as with a full disk.'),
  'store-newer': reason('internal-server-error', 'cancel', 500, 'The store was written by a newer version.'),
  'store-unusable': reason('internal-server-error', 'cancel', 500, 'The store cannot be opened.'),
  'store-in-use': reason(
    'internal-server-error',
    'cancel',
    500,
    'Another process holds the store or the state folder.',
  ),
  'delivery-doubtful': reason(
    'remote-server-timeout',
    'wait',
    504,
    'The connection broke before it was confirmed; it may have arrived.',
  ),

  // Local users of the embedded home.
  'user-unknown': reason('service-unavailable', 'cancel', 404, 'There is no such local user.'),
  'user-absent': reason('service-unavailable', 'cancel', 480, 'The local user is not there to take it.'),
  'domain-unserved': reason('service-unavailable', 'cancel', 503, 'The embedded home serves nothing at this domain.'),
  'service-unknown': reason('service-unavailable', 'cancel', 501, 'The embedded home has no such service.'),
  'item-unknown': reason('item-not-found', 'cancel', 404, 'What is asked for is not there.'),
  'mailbox-full': reason('service-unavailable', 'cancel', 480, 'As much as may waits for the local user.'),
  'mailbox-expired': reason('recipient-unavailable', 'wait', 480, 'It waited too long for the local user.'),
  'roster-full': reason('resource-constraint', 'wait', 503, 'The roster has as many items as it may.'),
  'roster-invalid': reason('not-acceptable', 'modify', 406, 'A name or group of the roster is empty or too long.'),
  'vcard-too-big': reason('policy-violation', 'modify', 413, 'The vCard is larger than the limit.'),
  'not-yours': reason('forbidden', 'auth', 403, 'Only the user itself may do that.'),

  // DNS.
  'dns-not-found': reason('remote-server-not-found', 'cancel', 404, 'The name does not exist in DNS.'),
  'dns-timeout': reason('remote-server-timeout', 'wait', 504, 'No DNS server answered in time.'),
  'dns-failed': reason('remote-server-timeout', 'wait', 504, 'The DNS servers failed to answer.'),
  'dns-malformed': reason('remote-server-timeout', 'wait', 504, 'A DNS answer cannot be read.'),
  'dns-service-refused': reason(
    'remote-server-not-found',
    'cancel',
    404,
    'The domain declares that it offers no such service.',
  ),

  // What an administrator wrote.
  'config-invalid': reason('internal-server-error', 'cancel', 500, 'The configuration has an error.'),
  'config-unreadable': reason('internal-server-error', 'cancel', 500, 'A configuration file cannot be read.'),
  'policy-invalid': reason('internal-server-error', 'cancel', 500, 'A policy file has an error.'),
  'certificate-unusable': reason('internal-server-error', 'cancel', 500, 'One of our own certificates cannot be used.'),
  'trust-unusable': reason('internal-server-error', 'cancel', 500, 'A file of trusted certificates cannot be used.'),
  'listen-failed': reason('internal-server-error', 'cancel', 500, 'A listener cannot be opened.'),
  'drachtio-unproven': reason(
    'internal-server-error',
    'cancel',
    500,
    'A drachtio server shows no certificate of a peer, and nothing stands in for that proof.',
  ),
  'drachtio-unusable': reason('internal-server-error', 'cancel', 500, 'The drachtio server cannot be used.'),
  'wrong-use': reason('internal-server-error', 'cancel', 500, 'The command was used wrongly.'),
  'partner-exists': reason('conflict', 'cancel', 500, 'The domain is a partner, or ours, already.'),
  'users-elsewhere': reason('not-allowed', 'cancel', 500, 'The local users are those of another server.'),
  internal: reason('internal-server-error', 'cancel', 500, 'The gateway itself failed.'),
} as const satisfies Record<string, Reason>;

/** A stable reason code, e.g. `certificate-expired`. */
export type ReasonCode = keyof typeof reasons;
