import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import { identitiesOf } from '../../../../pki/identity.ts';
import { type Authority, createAuthority, issueCertificate, type KeyPair } from '../../../../pki/issue.ts';
import { namesSipDomain, sipIdentities } from '../../../../pki/sip-identity.ts';
import { trustFromPem } from '../../../../pki/trust.ts';
import { verifyChain } from '../../../../pki/verify.ts';
import { Fault } from '../../../../policies/fault.ts';
import { RawPeer } from '../../../xmpp/testing/raw-peer.fixture.ts';
import { Watch } from '../../../xmpp/testing/watch.fixture.ts';
import type { SipMessage } from '../../message/message.ts';
import type { Endpoint, Flow, FlowUser, Peer } from '../flow.ts';
import { Flows, type FlowsOptions } from '../flows.ts';
import { trunkContext } from '../tls.ts';

/** A flow's user that keeps what it is told, and lets a test wait for it. */
export class Recorder implements FlowUser {
  readonly messages: { readonly flow: Flow; readonly message: SipMessage }[] = [];
  readonly ended: { readonly flow: Flow; readonly why: string }[] = [];
  readonly refused: string[] = [];
  readonly watch = new Watch();
  #taken = 0;

  message(flow: Flow, message: SipMessage): void {
    this.messages.push({ flow, message });
    this.watch.changed();
  }

  closed(flow: Flow, why: string): void {
    this.ended.push({ flow, why });
    this.watch.changed();
  }

  refuse(refusal: string): void {
    this.refused.push(refusal);
    this.watch.changed();
  }

  /** The next message, in the order they came. */
  async next(): Promise<{ readonly flow: Flow; readonly message: SipMessage }> {
    const next = await this.watch.until(() => this.messages[this.#taken]);
    this.#taken++;
    return next;
  }

  /** Why the flow that ended as the nth did. */
  async whyOver(nth = 0): Promise<string> {
    return (await this.watch.until(() => this.ended[nth])).why;
  }
}

/** An authority with an intermediate below it, and what it issued to the parties of the tests. */
export class Certificates {
  readonly #root: Authority;
  readonly #issuer: Authority;
  readonly #contexts = new Map<string, SecureContext>();

  static async create(): Promise<Certificates> {
    const root = await createAuthority({ name: 'Trunk root' });
    return new Certificates(root, await createAuthority({ name: 'Trunk issuer', issuer: root }));
  }

  private constructor(root: Authority, issuer: Authority) {
    this.#root = root;
    this.#issuer = issuer;
  }

  pair(...domains: readonly string[]): Promise<KeyPair> {
    return issueCertificate(this.#issuer, { domains, uris: domains.map((domain) => `sip:${domain}`) });
  }

  /** Makes contexts for domains, which {@link contextFor} then knows. */
  async add(...domains: readonly string[]): Promise<void> {
    for (const domain of domains) this.#contexts.set(domain, contextOf(await this.pair(domain)));
  }

  readonly contextFor = (name: string): SecureContext | undefined => this.#contexts.get(name);

  context(name: string): SecureContext {
    const context = this.contextFor(name);
    if (context === undefined) throw new Error(`no certificate for ${name}`);
    return context;
  }

  readonly judge = (peer: Peer, domain: string): Fault | undefined => {
    const anchors = trustFromPem([this.#root.certificatePem]);
    const result = verifyChain(peer.chain, { anchors, now: new Date(), purpose: 'either' });
    if (!result.ok) return new Fault(result.reason);
    const [leaf] = peer.chain;
    if (leaf !== undefined && namesSipDomain(identitiesOf(leaf), domain)) return undefined;
    return new Fault('certificate-wrong-name');
  };
}

export const contextOf = ({ certificatePem, keyPem }: KeyPair): SecureContext =>
  trunkContext({ certPem: certificatePem, keyPem });

/** Flows under test with their recorder; all are closed by {@link closeAll}. */
export interface Side {
  readonly flows: Flows;
  readonly user: Recorder;
}

const open: Flows[] = [];
const peers: Socket[] = [];

export function side(certificates: Certificates, options: Partial<FlowsOptions> = {}): Side {
  const user = new Recorder();
  const flows = new Flows({
    user,
    secureContextFor: certificates.contextFor,
    identitiesOf: (leaf) => sipIdentities(identitiesOf(leaf)),
    judge: certificates.judge,
    refused: (refusal) => user.refuse(refusal),
    ...options,
  });
  open.push(flows);
  return { flows, user };
}

/** Connects in clear, and says what the test says. */
export async function rawPeer({ host, port }: Endpoint): Promise<RawPeer> {
  const socket = connect({ host, port });
  peers.push(socket);
  await once(socket, 'connect');
  return new RawPeer(socket);
}

/** The same over TLS. Rejects where the handshake fails. */
export async function rawTlsPeer(
  { host, port }: Endpoint,
  options: ConnectionOptions = {},
): Promise<RawPeer & { readonly socket: TLSSocket }> {
  const socket = connectTls({ host, port, rejectUnauthorized: false, ...options });
  peers.push(socket);
  await once(socket, 'secureConnect');
  return new RawPeer(socket) as RawPeer & { readonly socket: TLSSocket };
}

/** Ends all peers and flows of a test. */
export async function closeAll(): Promise<void> {
  for (const peer of peers.splice(0)) peer.destroy();
  await Promise.all(open.splice(0).map((flows) => flows.close()));
}

let serial = 0;

/** A request in full, its Content-Length right unless `headers` bring one. */
export function request(
  options: { readonly method?: string; readonly via?: string; readonly body?: string; readonly length?: string } = {},
): string {
  const { method = 'OPTIONS', body = '', length = `Content-Length: ${Buffer.byteLength(body)}\r\n` } = options;
  const via = options.via ?? 'sip.partner.example';
  serial++;
  return (
    `${method} sip:home.example SIP/2.0\r\nVia: SIP/2.0/TLS ${via};branch=z9hG4bK${serial}\r\n` +
    `From: <sip:a@partner.example>;tag=1\r\nTo: <sip:home.example>\r\nCall-ID: ${serial}\r\nCSeq: 1 ${method}\r\n` +
    `Max-Forwards: 70\r\n${length}\r\n${body}`
  );
}
