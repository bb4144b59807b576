import { styleText } from 'node:util';
import type { Organisation } from './organisation.ts';
import type { Finding } from './step.ts';

/** How the demo is told of: for people, on a terminal or not, or as one JSON object a line. */
export interface Report {
  opening(organisations: readonly Organisation[], folder: string): string;
  finding(finding: Finding): string;
  /** `steps` is how many there are; fewer findings are there where an essential one did not hold. */
  closing(findings: readonly Finding[], steps: number): string;
}

export const jsonReport: Report = {
  opening: (organisations, folder) =>
    JSON.stringify({ event: 'sign-in', folder, organisations: organisations.map(signInFacts) }),
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
    opening(organisations, folder) {
      const lines = organisations.flatMap((organisation) => [
        '',
        `  ${style('bold', organisation.domain)}  at ${organisation.address}`,
        ...signInLines(organisation).map(([what, how]) => `    ${what.padEnd(10)} ${how}`),
      ]);
      return [
        'Two organisations on this machine, a gateway each. Sign in with any XMPP client:',
        ...lines,
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
}: Organisation): [string, string][] {
  return [
    ...Object.entries(users).map(([local, password]): [string, string] => [
      'user',
      `${local}@${domain}  password ${password}`,
    ]),
    ['server', `${address} port ${xmppClient}, STARTTLS, certificate of ${domain}`],
    ['WebSocket', webSocketUrl],
    ['CA file', authorityFile],
  ];
}

function signInFacts({ domain, address, xmppClient, users, authorityFile, webSocketUrl }: Organisation) {
  const accounts = Object.entries(users).map(([local, password]) => ({ address: `${local}@${domain}`, password }));
  return { domain, address, port: xmppClient, webSocket: webSocketUrl, authorityFile, users: accounts };
}
