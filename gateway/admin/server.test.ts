import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf } from '../../policies/fault.ts';
import { metricsRegistry } from './metrics.ts';
import { AdminServer } from './server.ts';

let crossed = 0;
let streams: Record<string, number> = {};
const registry = metricsRegistry([
  {
    name: 'drawbridge_stanzas_total',
    help: 'Stanzas that crossed.',
    labels: ['partner', 'what'],
    *read() {
      yield { labels: { partner: 'p.example', what: 'message' }, value: crossed };
      yield { labels: { partner: 'q"\n\\', what: 'iq' }, value: 1 };
    },
  },
  {
    name: 'drawbridge_streams',
    help: 'Streams that stand.',
    labels: ['kind'],
    *read() {
      for (const [kind, value] of Object.entries(streams)) yield { labels: { kind }, value };
    },
  },
]);

describe('the admin listener', () => {
  let server: AdminServer;
  let at = '';
  beforeEach(async () => {
    server = new AdminServer(registry);
    const { host, port } = await server.start('127.0.0.1', 0);
    at = `http://${host}:${port}`;
  });
  afterEach(() => server.close());

  it('tells the metrics as they stand when asked', async () => {
    crossed = 3;
    streams = { incoming: 2, outgoing: 1 };
    const first = await fetch(`${at}/metrics?now`);
    expect([first.status, first.headers.get('content-type')]).toEqual([
      200,
      expect.stringMatching(/^text\/plain; version=/),
    ]);
    expect(await first.text()).toBe(`# HELP drawbridge_stanzas_total Stanzas that crossed.
# TYPE drawbridge_stanzas_total counter
drawbridge_stanzas_total{partner="p.example",what="message"} 3
drawbridge_stanzas_total{partner="q\\"\\n\\\\",what="iq"} 1

# HELP drawbridge_streams Streams that stand.
# TYPE drawbridge_streams gauge
drawbridge_streams{kind="incoming"} 2
drawbridge_streams{kind="outgoing"} 1
`);
    crossed = 5;
    streams = { incoming: 1 };
    const then = await (await fetch(`${at}/metrics`)).text();
    expect(then).toContain('drawbridge_stanzas_total{partner="p.example",what="message"} 5\n');
    expect(then.match(/^drawbridge_streams.*/gm)).toEqual(['drawbridge_streams{kind="incoming"} 1']);
  });

  it.each([
    ['GET', '/healthz', 200],
    ['GET', '/', 404],
    ['GET', '/metrics/', 404],
    ['POST', '/metrics', 405],
    ['DELETE', '/healthz', 405],
  ])('%s %s is %i', async (method, path, status) => {
    expect((await fetch(`${at}${path}`, { method })).status).toBe(status);
  });

  it('answers 500 where a number cannot be read, and stays', async () => {
    const broken = metricsRegistry([
      {
        name: 'broken',
        help: 'Broken.',
        labels: [],
        read: () => {
          throw new Error('oops');
        },
      },
    ]);
    const other = new AdminServer(broken);
    const { host, port } = await other.start('127.0.0.1', 0);
    expect((await fetch(`http://${host}:${port}/metrics`)).status).toBe(500);
    expect((await fetch(`http://${host}:${port}/healthz`)).status).toBe(200);
    await other.close();
  });

  it('refuses an address that is taken, by a fault that names it', async () => {
    const port = Number(new URL(at).port);
    const fault = await new AdminServer(registry).start('127.0.0.1', port).catch((error: unknown) => error);
    expect([codeOf(fault), String(fault)]).toEqual([
      'listen-failed',
      expect.stringContaining(`127.0.0.1:${port} (admin)`),
    ]);
  });

  it('closes with connections standing, and again', async () => {
    const socket = connect(Number(new URL(at).port), '127.0.0.1');
    const ended = new Promise((resolve) => socket.on('close', resolve).on('error', () => undefined));
    await new Promise((resolve) => socket.on('connect', resolve));
    socket.write('GET /metrics HTTP/1.1\r\n');
    await fetch(`${at}/healthz`);
    await server.close();
    await ended;
    await server.close();
    await expect(fetch(`${at}/healthz`)).rejects.toThrow();
  });
});
