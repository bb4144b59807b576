/** Scenarios of SIPp as text. `domain` is what the From says; `transport` what the Via and Contact say, TLS behind a relay. */
interface Common {
  readonly transport?: 'TCP' | 'TLS';
}

export interface CallerOptions extends Common {
  /** The caller, `sip:100@h.example`. */
  readonly from: string;
  /** Called, without the user: the user is `[service]`. */
  readonly domain: string;
  /** ms between ACK and BYE. */
  readonly talkMs?: number;
}

/** Calls, talks, hangs up. */
export function caller({ from, domain, talkMs = 0, transport = 'TCP' }: CallerOptions): string {
  const line = (method: string, cseq: number) => `${method} sip:[service]@${domain} SIP/2.0
Via: SIP/2.0/${transport} [local_ip]:[local_port];branch=[branch]
From: <${from}>;tag=[pid]-[call_number]
To: <sip:[service]@${domain}>[peer_tag_param]
Call-ID: [call_id]
CSeq: ${cseq} ${method}
Contact: <sip:sipp@[local_ip]:[local_port];transport=${transport.toLowerCase()}>
Max-Forwards: 70`;
  const inside = (method: string, cseq: number) => `${method} [next_url] SIP/2.0
Via: SIP/2.0/${transport} [local_ip]:[local_port];branch=[branch]
From: <${from}>;tag=[pid]-[call_number]
To: <sip:[service]@${domain}>[peer_tag_param]
[routes]
Call-ID: [call_id]
CSeq: ${cseq} ${method}
Max-Forwards: 70
Content-Length: 0
`;
  return scenario(
    'caller',
    send(`${line('INVITE', 1)}
Content-Type: application/sdp
Content-Length: [len]

${sdp}`),
    recv('response="100" optional="true"'),
    recv('response="180" optional="true"'),
    recv('response="183" optional="true"'),
    recv('response="200" rrs="true"'),
    send(inside('ACK', 1)),
    `<pause milliseconds="${talkMs}"/>`,
    send(inside('BYE', 2)),
    recv('response="200"'),
  );
}

/** Rings, answers, and waits for the other side to hang up. */
export function callee({ transport = 'TCP', ringMs = 0 }: Common & { readonly ringMs?: number } = {}): string {
  const contact = `Contact: <sip:sipp@[local_ip]:[local_port];transport=${transport.toLowerCase()}>`;
  return scenario(
    'callee',
    recv('request="INVITE" rrs="true"'),
    send(`SIP/2.0 180 Ringing
${answerHead(';tag=[pid]-[call_number]')}
${contact}
Content-Length: 0
`),
    `<pause milliseconds="${ringMs}"/>`,
    send(`SIP/2.0 200 OK
${answerHead(';tag=[pid]-[call_number]')}
${contact}
Content-Type: application/sdp
Content-Length: [len]

${sdp}`),
    recv('request="ACK"'),
    recv('request="BYE"'),
    send(`SIP/2.0 200 OK
${answerHead()}
Content-Length: 0
`),
  );
}

/** Refuses every call with this response. */
export function refuser(status: number, reason: string): string {
  return scenario(
    'refuser',
    recv('request="INVITE"'),
    send(`SIP/2.0 ${status} ${reason}
${answerHead(';tag=[pid]-[call_number]')}
Content-Length: 0
`),
    recv('request="ACK"'),
  );
}

export interface MessengerOptions extends Common {
  readonly from: string;
  readonly domain: string;
  readonly text?: string;
  /** The final response that is right; 200 when left out. */
  readonly expect?: number;
}

/** Sends a MESSAGE to `[service]`. */
export function messenger({ from, domain, text = 'hello', expect = 200, transport = 'TCP' }: MessengerOptions): string {
  return scenario(
    'messenger',
    send(`MESSAGE sip:[service]@${domain} SIP/2.0
Via: SIP/2.0/${transport} [local_ip]:[local_port];branch=[branch]
From: <${from}>;tag=[pid]-[call_number]
To: <sip:[service]@${domain}>
Call-ID: [call_id]
CSeq: 1 MESSAGE
Max-Forwards: 70
Content-Type: text/plain
Content-Length: [len]

${text}`),
    recv('response="100" optional="true"'),
    recv(`response="${expect}"`),
  );
}

/** Takes every MESSAGE and every OPTIONS, and says 200. */
export function mailbox(): string {
  return scenario(
    'mailbox',
    recv('request="MESSAGE" optional="true" next="1"'),
    recv('request="OPTIONS"'),
    '<label id="1"/>',
    send(`SIP/2.0 200 OK
${answerHead(';tag=[pid]-[call_number]')}
Content-Length: 0
`),
  );
}

const sdp = `v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 40000 RTP/AVP 0 8
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
`;

function answerHead(tag = ''): string {
  return `[last_Via:]
[last_Record-Route:]
[last_From:]
[last_To:]${tag}
[last_Call-ID:]
[last_CSeq:]`;
}

/** Ends as written where there is a body, and with the empty line where there is none. */
function send(message: string): string {
  return `<send><![CDATA[\n${message}${message.includes('\n\n') ? '' : '\n'}]]></send>`;
}

function recv(attributes: string): string {
  return `<recv ${attributes}/>`;
}

function scenario(name: string, ...steps: readonly string[]): string {
  return `<?xml version="1.0" encoding="utf-8" ?>\n<scenario name="${name}">\n${steps.join('\n')}\n</scenario>\n`;
}
