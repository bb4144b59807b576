import { parse } from 'ltx';
import type { Place } from '../../policies/fault.ts';
import { policyOf } from '../../policies/policy.fixture.ts';
import type { ReasonCode } from '../../policies/reasons.ts';
import { PolicySet } from '../../policies/set.ts';
import { Bridge, type BridgeOptions } from './bridge.ts';
import type { Journal, JournalEvent, JournalFields } from './journal.ts';
import type { Edge, Home, Taken } from './ports.ts';
import type { Stanza, StanzaName } from './stanza.ts';

/** Something that was refused or lost, as the journal was told. */
export interface Refusal {
  readonly event: JournalEvent;
  readonly reason: ReasonCode;
  readonly rule: Place | undefined;
  readonly fields: JournalFields;
}

/** A bridge between an edge and a home that take down what they are given, and say `false` where they are full. */
export class Border {
  bridge: Bridge;
  readonly sent: { home: string; partner: string; stanza: Stanza }[] = [];
  readonly delivered: { partner: string; stanza: Stanza }[] = [];
  /** Who was told that there is room: `edge home partner`, `home partner`. */
  readonly relieved: string[] = [];
  readonly refusals: Refusal[] = [];
  edgeFull = false;
  homeFull = false;
  /** Whether no stream stands: then either takes nothing that is kept. */
  edgeDown = false;
  homeDown = false;
  readonly #parts: Pick<BridgeOptions, 'journal' | 'homeDomains' | 'now'> & {
    readonly edge: Edge;
    readonly home: Home;
  };
  now = 1_000_000;

  constructor(...policies: string[]) {
    const journal: Journal = {
      note: () => undefined,
      refuse: (event, reason, fields) => this.refusals.push({ event, reason, rule: fields.rule, fields }),
    };
    const edge: Edge = {
      send: (home, partner, stanza): Taken => {
        if (this.edgeDown && stanza.kept !== undefined) return 'none';
        this.sent.push({ home, partner, stanza });
        return this.edgeFull ? 'enough' : 'more';
      },
      room: (home, partner) => this.relieved.push(`edge ${home} ${partner}`),
    };
    const home: Home = {
      deliver: (partner, stanza): Taken => {
        if (this.homeDown && stanza.kept !== undefined) return 'none';
        this.delivered.push({ partner, stanza });
        return this.homeFull ? 'enough' : 'more';
      },
      room: (partner) => this.relieved.push(`home ${partner}`),
    };
    const homeDomains = ['contoso.example', 'rooms.contoso.example'];
    this.#parts = { homeDomains, journal, now: () => this.now, edge, home };
    this.bridge = this.#connected(undefined, policies);
  }

  /** Another process takes its place, which keeps what it accepts. */
  restart(outbox: BridgeOptions['outbox'], ...policies: string[]): void {
    this.bridge.close();
    this.bridge = this.#connected(outbox, policies);
    this.bridge.start();
  }

  /** A stanza arrives from the partner's side or from ours, by the domains of its addresses. */
  inbound(arriving: Stanza): boolean {
    return this.bridge.inbound(domainOf(arriving.from), domainOf(arriving.to), arriving);
  }

  outbound(arriving: Stanza): boolean {
    return this.bridge.outbound(domainOf(arriving.to), arriving);
  }

  /** What was given to both sides since the last time, as text, and what was refused. */
  take(): { sent: string[]; delivered: string[]; refusals: string[] } {
    const text = ({ stanza }: { stanza: Stanza }): string => stanza.bytes.toString();
    return {
      sent: this.sent.splice(0).map(text),
      delivered: this.delivered.splice(0).map(text),
      refusals: this.refusals.splice(0).map(({ reason, rule }) => (rule ? `${reason} line ${rule.line}` : reason)),
    };
  }

  #connected(outbox: BridgeOptions['outbox'], policies: readonly string[]): Bridge {
    const { edge, home, ...options } = this.#parts;
    const bridge = new Bridge({ ...options, policies: setOf(...policies), outbox });
    bridge.connect(edge, home);
    return bridge;
  }
}

export function setOf(...policies: string[]): PolicySet {
  return new PolicySet(policies.map((text) => policyOf(text)));
}

/** A stanza as an edge or a home hands it over, read by another parser than theirs. */
export function stanza(xml: string): Stanza {
  const tree = parse(xml);
  const { from = '', to = '', type = '', id = '' } = tree.attrs;
  const children = tree.children.filter((node) => typeof node !== 'string');
  const [child] = children;
  return {
    name: tree.name as StanzaName,
    from,
    to,
    type,
    id,
    childName: child?.getName() ?? '',
    children: children.length,
    childNamespace: child && (child.getNS() ?? 'jabber:server'),
    bytes: Buffer.from(xml),
  } as Stanza;
}

export function domainOf(address: string): string {
  const bare = address.split('/', 1)[0] ?? '';
  return bare.slice(bare.indexOf('@') + 1);
}
