import { expect, it } from 'vitest';
import { jsonReport, type SignIn, textReport } from './report.ts';

const good = { number: 1, name: 'a step', expected: 'this', seen: 'that, indeed', holds: true, ms: 12 };
const bad = { ...good, number: 2, holds: false, seen: 'nothing' };

it('tells of a step in one line, and of one that does not hold what was expected', () => {
  const report = textReport(false);
  expect(report.finding(good)).toMatch(/^ 1 ✓ a step +that, indeed$/);
  expect(report.finding(bad)).toMatch(/^ 2 ✗ a step *\n +expected: this\n +seen: +nothing$/);
  expect(report.closing([good], 1)).toBe('All 1 as they must be.');
  expect(report.closing([good, bad], 4)).toBe('1 of 4 as they must be, 2 not tried.');
});

it('uses colours where they show', () => {
  expect(textReport(true).finding(good)).toContain('\u001b[32m✓\u001b[39m');
});

it('tells of a step as one JSON object', () => {
  expect(JSON.parse(jsonReport.finding(bad))).toEqual({ event: 'step', ...bad });
  expect(JSON.parse(jsonReport.closing([good, bad], 4))).toEqual({ event: 'end', steps: 4, held: 1 });
});

it('says how to sign in, where SIP comes and goes, and how the SIP partner is reached', () => {
  const organisation: SignIn = {
    domain: 'contoso.example',
    address: '127.0.9.1',
    users: { alice: 'moat' },
    xmppClient: 5222,
    webSocketUrl: 'wss://127.0.9.1:5280/',
    authorityFile: '/tmp/ca.pem',
    sip: { trunks: 5061, pbx: 5060 },
  };
  const without = { ...organisation, domain: 'fabrikam.example', sip: undefined };
  const sipPartner = {
    domain: 'northwind.example',
    jid: 'dora@northwind.example',
    uri: 'sip:dora@northwind.example',
    address: '127.0.9.3',
    port: 5061,
  };
  const text = textReport(false).opening([organisation, without], sipPartner, '/tmp/demo');
  expect(text).toMatch(/alice@contoso\.example +password moat\n/);
  expect(text.match(/^ +(SIP|PBX) .*/gm)).toEqual([
    expect.stringContaining('127.0.9.1 port 5061, mutual TLS'),
    expect.stringContaining('127.0.9.1 port 5060, TCP'),
    expect.stringContaining('127.0.9.3 port 5061, mutual TLS, certificate of northwind.example'),
  ]);
  expect(text).toContain('sip:dora@northwind.example, who answers');
  expect(JSON.parse(jsonReport.opening([organisation], sipPartner, '/tmp/demo'))).toMatchObject({
    organisations: [{ domain: 'contoso.example', sip: { trunks: 5061, pbx: 5060 } }],
    sipPartner: { uri: 'sip:dora@northwind.example', address: '127.0.9.3', port: 5061 },
  });
});
