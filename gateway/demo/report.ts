import { styleText } from 'node:util';
import type { Organisation, SipPorts } from './organisation.ts';
import type { SipPartner } from './sip-partner.ts';
import type { Finding } from './step.ts';

/** What whoever signs in at an organisation must know of it. */
export type SignIn = Pick<
  Organisation,
  'domain' | 'address' | 'users' | 'xmppClient' | 'webSocketUrl' | 'authorityFile' | 'sip'
>;

/** How a SIP partner is reached. */
export type SipContact = Pick<SipPartner, 'domain' | 'address' | 'port' | 'uri' | 'jid'>;

/** How the demo is told of: for people, on a terminal or not, or as one JSON object a line. */
export interface Report {
  opening(organisations: readonly SignIn[], sipPartner: SipContact, folder: string): string;
  finding(finding: Finding): string;
  /** `steps` is how many there are; fewer findings are there where an essential one did not hold. */
  closing(findings: readonly Finding[], steps: number): string;
}

export const jsonReport: Report = {
  opening: (organisations, { domain, uri, address, port }, folder) =>
    JSON.stringify({
      event: 'sign-in',
      folder,
      organisations: organisations.map(signInFacts),
      sipPartner: { domain, uri, address, port },
    }),
  finding: (finding) => JSON.stringify({ event: 'step', ...finding }),
  closing: (findings, steps) => JSON.stringify({ event: 'end', steps, held: held(findings) }),
};

/** Widths of the columns that stand in front of what was seen. */
const NUMBER = 2;
const NAME = 30;

/** `styled`: with colours, which a terminal shows and a file does not. */
export function textReport(styled: boolean): Report {
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    styled ? styleText(format, text, { validateStream: false }) : text;
  return {
    opening(organisations, sipPartner, folder) {
      const block = (domain: string, where: string, lines: readonly (readonly [string, string])[]): string[] => [
        '',
        `  ${style('bold', domain)}  at ${where}`,
        ...lines.map(([what, how]) => `    ${what.padEnd(10)} ${how}`),
      ];
      const lines = organisations.flatMap((one) => block(one.domain, one.address, signInLines(one)));
      const { domain, address } = sipPartner;
      return [
        'Two organisations on this machine, a gateway each. Sign in with any XMPP client:',
        ...lines,
        '',
        'And a partner of contoso.example that speaks SIP, played by this demo:',
        ...block(domain, address, sipLines(sipPartner)),
        '',
        `Configuration, policies and logs are in ${folder}`,
        '',
      ].join('\n');
    },
    finding({ number, name, expected, seen, holds }) {
      const mark = holds ? style('green', '✓') : style('red', '✗');
      const line = `${String(number).padStart(NUMBER)} ${mark} ${style('bold', name.padEnd(NAME))} `;
      if (holds) return `${line}${seen}`;
      const indent = ' '.repeat(NUMBER + 3);
      return `${line}\n${indent}expected: ${expected}\n${indent}seen:     ${style('red', seen)}`;
    },
    closing(findings, steps) {
      const all = held(findings) === steps;
      const left = steps - findings.length;
      const rest = left === 0 ? '' : `, ${left} not tried`;
      return style(
        all ? 'green' : 'red',
        all ? `All ${steps} as they must be.` : `${held(findings)} of ${steps} as they must be${rest}.`,
      );
    },
  };
}

function held(findings: readonly Finding[]): number {
  return findings.filter(({ holds }) => holds).length;
}

function signInLines({
  domain,
  address,
  xmppClient,
  users,
  authorityFile,
  webSocketUrl,
  sip,
}: SignIn): [string, string][] {
  return [
    ...Object.entries(users).map(([local, password]): [string, string] => [
      'user',
      `${local}@${domain}  password ${password}`,
    ]),
    ['server', `${address} port ${xmppClient}, STARTTLS, certificate of ${domain}`],
    ['WebSocket', webSocketUrl],
    ['CA file', authorityFile],
    ...sipPortLines(address, sip),
  ];
}

function sipPortLines(address: string, sip: SipPorts | undefined): [string, string][] {
  if (sip === undefined) return [];
  return [
    ['SIP', `${address} port ${sip.trunks}, mutual TLS, for partners`],
    ['PBX', `${address} port ${sip.pbx}, TCP, played by this demo`],
  ];
}

function sipLines({ domain, uri, jid, address, port }: SipContact): [string, string][] {
  return [
    ['user', `${uri}, who answers what alice writes to ${jid} once the tour is over`],
    ['SIP', `${address} port ${port}, mutual TLS, certificate of ${domain}`],
  ];
}

function signInFacts({ domain, address, xmppClient, users, authorityFile, webSocketUrl, sip }: SignIn) {
  const accounts = Object.entries(users).map(([local, password]) => ({ address: `${local}@${domain}`, password }));
  return { domain, address, port: xmppClient, webSocket: webSocketUrl, authorityFile, users: accounts, sip };
}
