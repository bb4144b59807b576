import type { Metric } from './admin/metrics.ts';
import { processMetrics } from './admin/process-metrics.ts';
import type { Bridge } from './bridge/bridge.ts';
import type { JournalLog } from './journal-log.ts';
import type { LocalHome } from './local-home.ts';
import type { SipParts } from './sip-stack.ts';
import type { Store } from './store/store.ts';
import type { XmppEdge } from './xmpp/edge.ts';

/** What a running gateway can be asked in numbers. */
export function gatewayMetrics(parts: {
  journal: JournalLog;
  bridge: Bridge;
  edge: XmppEdge;
  sip: SipParts | undefined;
  home: LocalHome;
  store: Store;
}): Metric[] {
  const { journal, bridge, edge, sip, home, store } = parts;
  return [
    {
      name: 'drawbridge_stanzas_total',
      help: 'Stanzas that crossed, by sort, or were refused or lost.',
      labels: ['partner', 'direction', 'what'],
      *read() {
        for (const { partner, direction, what, count } of bridge.tally)
          yield { labels: { partner, direction, what }, value: count };
      },
    },
    {
      name: 'drawbridge_events_total',
      help: 'Events of the log by name and reason.',
      labels: ['event', 'reason'],
      *read() {
        for (const { event, reason, count } of journal.counts()) yield { labels: { event, reason }, value: count };
      },
    },
    {
      name: 'drawbridge_streams',
      help: 'XMPP streams and connections that stand.',
      labels: ['kind'],
      *read() {
        const { incoming, outgoing, connections } = edge.load;
        for (const [kind, value] of Object.entries({ incoming, outgoing, connections }))
          yield { labels: { kind }, value };
      },
    },
    {
      name: 'drawbridge_queued_stanzas',
      help: 'Stanzas waiting, by side.',
      labels: ['side'],
      *read() {
        yield { labels: { side: 'partners' }, value: edge.load.queued };
        yield { labels: { side: 'home' }, value: home.queued };
      },
    },
    {
      name: 'drawbridge_home_links',
      help: 'Component links, 1 where the link stands.',
      labels: ['partner'],
      *read() {
        for (const [partner, up] of home.links) yield { labels: { partner }, value: up ? 1 : 0 };
      },
    },
    {
      name: 'drawbridge_contacts',
      help: 'Contacts of each partner.',
      labels: ['partner'],
      *read() {
        for (const { name } of bridge.policies.partners)
          yield { labels: { partner: name }, value: bridge.contacts(name) };
      },
    },
    {
      name: 'drawbridge_clients',
      help: 'Clients of local users that are signed in.',
      labels: [],
      *read() {
        yield { labels: {}, value: home.sessions };
      },
    },
    {
      name: 'drawbridge_outbox_messages',
      help: 'Messages accepted and not yet delivered.',
      labels: [],
      *read() {
        yield { labels: {}, value: bridge.kept.kept };
      },
    },
    {
      name: 'drawbridge_outbox_oldest_seconds',
      help: 'How long the oldest of them has been waiting.',
      labels: [],
      *read() {
        yield { labels: {}, value: bridge.kept.oldestMs / 1000 };
      },
    },
    {
      name: 'drawbridge_store',
      help: 'The database since the start: commits, works in them, failures; and its bytes.',
      labels: ['what'],
      *read() {
        for (const [what, value] of Object.entries(store.counters)) yield { labels: { what }, value };
      },
    },
    ...(sip === undefined ? [] : sipMetrics(sip)),
    ...processMetrics,
  ];
}

function sipMetrics(sip: SipParts): Metric[] {
  return [
    {
      name: 'drawbridge_sip',
      help: 'SIP now: connections, transactions, messages that wait for an answer in and out, and calls.',
      labels: ['what'],
      *read() {
        for (const [what, value] of Object.entries(sip.load)) yield { labels: { what }, value };
      },
    },
    {
      name: 'drawbridge_trunks',
      help: 'SIP trunks, 1 where the trunk works.',
      labels: ['trunk'],
      *read() {
        for (const [trunk, up] of sip.trunks) yield { labels: { trunk }, value: up ? 1 : 0 };
      },
    },
  ];
}
