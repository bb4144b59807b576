import { describe, expect, it } from 'vitest';
import { Fault } from '../../policies/fault.ts';
import { Inbox } from './inbox.ts';
import { ns } from './namespaces.ts';
import type { ScannedElement, StreamHeader } from './start-tag.ts';

const header: StreamHeader = {
  to: 'h.example',
  from: 'p.example',
  id: 'one',
  version: '1.0',
  lang: 'en',
  contentNamespace: ns.server,
  dialback: true,
};
const element = (namespace: string, name: string): ScannedElement => ({
  namespace,
  name,
  from: '',
  to: '',
  type: '',
  id: '',
  lang: '',
  childNamespace: '',
  childName: '',
  children: 0,
  bytes: Buffer.from(`<${name}/>`),
});

describe('The inbox of a negotiation', () => {
  it('gives what came before it was asked for, in order', async () => {
    const inbox = new Inbox();
    inbox.put(header);
    inbox.put(element(ns.streams, 'features'));
    expect(await inbox.header()).toBe(header);
    expect((await inbox.element(ns.streams, 'features')).name).toBe('features');
  });

  it('waits for what is still to come', async () => {
    const inbox = new Inbox();
    const waiting = inbox.element(ns.tls);
    inbox.put(element(ns.tls, 'proceed'));
    expect((await waiting).name).toBe('proceed');
  });

  it.each([
    ['another name', (inbox: Inbox) => inbox.element(ns.tls, 'proceed'), element(ns.tls, 'failure'), 'stream-protocol'],
    ['another namespace', (inbox: Inbox) => inbox.element(ns.tls), element(ns.sasl, 'success'), 'stream-protocol'],
    ['a header for an element', (inbox: Inbox) => inbox.element(ns.tls), header, 'stream-protocol'],
    ['an element for a header', (inbox: Inbox) => inbox.header(), element(ns.tls, 'proceed'), 'stream-protocol'],
  ])('refuses %s', async (_, ask, came, code) => {
    const inbox = new Inbox();
    inbox.put(came);
    await expect(ask(inbox)).rejects.toMatchObject({ code });
  });

  it('ends who waits, and all who ask later, with the first reason', async () => {
    const inbox = new Inbox();
    const waiting = inbox.header();
    inbox.fail(new Fault('stream-timeout'));
    inbox.fail(new Fault('stream-error'));
    await expect(waiting).rejects.toMatchObject({ code: 'stream-timeout' });
    await expect(inbox.element(ns.tls)).rejects.toMatchObject({ code: 'stream-timeout' });
  });

  it('still gives what came before the end', async () => {
    const inbox = new Inbox();
    inbox.put(header);
    inbox.fail(new Fault('stream-error'));
    expect(await inbox.header()).toBe(header);
    await expect(inbox.header()).rejects.toMatchObject({ code: 'stream-error' });
  });

  it('holds eight elements ahead and no more', () => {
    const inbox = new Inbox();
    for (let n = 0; n < 8; n++) inbox.put(element(ns.sasl, 'challenge'));
    expect(() => inbox.put(element(ns.sasl, 'challenge'))).toThrow(
      expect.objectContaining({ code: 'stream-protocol', condition: 'policy-violation' }),
    );
  });
});
