import { codeOf } from '../../../policies/fault.ts';
import { type SipMessage, SipRequest, type SipResponse } from '../message/message.ts';
import { serialise } from '../message/serialise.ts';
import { syntaxFault } from '../message/syntax.ts';
import type { Via } from '../message/via.ts';
import type { Flow, FlowUser } from '../transport/flow.ts';
import { Admission, type TransactionLimits } from './admission.ts';
import { Client, type ClientGround } from './client.ts';
import type { Clock } from './clock.ts';
import { FlowIndex } from './flow-index.ts';
import {
  clientKey,
  isMagic,
  MAGIC_COOKIE,
  mergedKey,
  peerByCertificate,
  sentByOf,
  serverKey,
  stampVia,
} from './matching.ts';
import { MergedRequests } from './merged-requests.ts';
import { respondTo, tagged, toTagOf } from './response.ts';
import { type Expiring, Server, type ServerGround } from './server.ts';
import { TimerQueue } from './timer-queue.ts';
import { TRANSACTION_MS, TRYING_MS } from './timers.ts';
import type { ClientTransaction, ClientUser, ServerTransaction, TransactionUser } from './transaction.ts';

export interface TransactionsOptions {
  readonly user: TransactionUser;
  readonly clock: Clock;
  /** 128 bits in hexadecimal, never the same twice. */
  readonly random: () => string;
  /** The `host:port` of our Via on a flow; responses that name another are dropped. */
  readonly sentBy: (flow: Flow) => string;
  readonly limits: TransactionLimits;
  /** Whether new work of this flow is to be refused with 503, past a small share that each peer keeps; never asked for in-dialog requests and responses. */
  readonly overloaded?: (flow: Flow) => boolean;
  /** An open flow to the peer of a transaction whose own has gone (RFC 3261 §18.2.2). */
  readonly flowFor?: (transaction: ServerTransaction) => Flow | undefined;
  /** Who is at the other end, asked once a flow: those with the same name serve the same transactions. By default the holder of the certificate, else the address. */
  readonly peerOf?: (flow: Flow) => string;
}

/** The transaction layer of RFC 3261 §17 over reliable transports: finds the transaction of each message. */
export class Transactions implements FlowUser {
  readonly #options: TransactionsOptions;
  readonly #user: TransactionUser;
  readonly #clients = new Map<string, Client>();
  readonly #servers = new Map<string, Server>();
  readonly #clientsOf = new FlowIndex<Client>();
  readonly #serversOf = new FlowIndex<Server>();
  /** How many of each peer await a final response or its ACK; flows that are gone do not give places back. */
  readonly #standingOf = new Map<string, number>();
  readonly #peers = new WeakMap<Flow, string>();
  readonly #limits: TimerQueue<Expiring>;
  readonly #trying: TimerQueue<Server>;
  readonly #merged: MergedRequests;
  readonly #admission: Admission;
  readonly #clientGround: ClientGround;
  readonly #serverGround: ServerGround;
  /** The To tag of what is answered without a transaction (RFC 3261 §8.2.7), by which its ACK is known. */
  readonly #statelessTag: string;
  #closed = false;

  constructor(options: TransactionsOptions) {
    const { clock, user, limits, random } = options;
    this.#options = options;
    this.#user = user;
    this.#statelessTag = random();
    this.#limits = new TimerQueue(clock, TRANSACTION_MS, (expiring) => expiring.expire());
    this.#trying = new TimerQueue(clock, TRYING_MS, (server) => server.tryingDue());
    this.#merged = new MergedRequests(clock, limits.transactions);
    this.#admission = new Admission(limits, options.overloaded ?? (() => false), clock);
    this.#clientGround = {
      limits: this.#limits,
      ended: (client) => {
        this.#clients.delete(client.key);
        this.#clientsOf.delete(client.flow, client);
      },
    };
    this.#serverGround = {
      limits: this.#limits,
      trying: this.#trying,
      random,
      flowFor: (transaction) => options.flowFor?.(transaction),
      moved: (server, from) => this.#moved(server, from),
      answered: (server, status) => this.#answered(server, status),
      lost: (transaction) => user.lost(transaction),
      ended: (server) => this.#ended(server),
    };
  }

  /** Transactions that stand, those of INVITEs with a 2xx among them for 32 s. */
  get load(): { readonly client: number; readonly server: number } {
    return { client: this.#clients.size, server: this.#servers.size };
  }

  /**
   * Sends a copy of a request with our Via on top. Where the flow is not open, or the limit reached, the user is told
   * that it failed `unsent`, after this returns.
   *
   * @throws Fault `sip-unsendable`
   */
  request(flow: Flow, request: SipRequest, user: ClientUser): ClientTransaction {
    const branch = `${MAGIC_COOKIE}${this.#options.random()}`;
    const sent = this.#withVia(flow, request, branch);
    const bytes = serialise(sent);
    const key = clientKey(this.#peer(flow), branch, sent.method);
    const client = new Client({ key, sentBy: sentByOf(sent.topVia), flow }, sent, user, this.#clientGround);
    if (this.#closed || !flow.open || this.#clients.size >= this.#options.limits.transactions) {
      client.refuse();
      return client;
    }
    this.#clients.set(key, client);
    this.#clientsOf.add(flow, client);
    client.start(bytes);
    return client;
  }

  /**
   * Sends a copy of the ACK to a 2xx with our Via on top: it has no transaction (RFC 3261 §13.2.2.4).
   *
   * @throws Fault `sip-unsendable`
   */
  send(flow: Flow, ack: SipRequest): void {
    const bytes = serialise(this.#withVia(flow, ack, `${MAGIC_COOKIE}${this.#options.random()}`));
    if (flow.open) flow.send(bytes);
  }

  message(flow: Flow, message: SipMessage): void {
    if (this.#closed) return;
    try {
      if (message.kind === 'response') this.#response(flow, message);
      else this.#request(flow, message);
    } catch (error) {
      // A header that is read only further up: a response or ACK with it is as good as none.
      if (codeOf(error) !== 'sip-malformed') throw error;
    }
  }

  closed(flow: Flow): void {
    for (const client of this.#clientsOf.take(flow)) client.flowClosed();
    for (const server of this.#serversOf.take(flow)) server.flowClosed();
  }

  /** Ends all transactions: clients fail with `transport`, servers are lost. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const clients = [...this.#clients.values()];
    const servers = [...this.#servers.values()];
    this.#clients.clear();
    this.#servers.clear();
    for (const client of clients) client.close();
    for (const server of servers) server.close();
    this.#clientsOf.clear();
    this.#serversOf.clear();
    this.#standingOf.clear();
    this.#limits.close();
    this.#trying.close();
    this.#merged.close();
  }

  #response(flow: Flow, response: SipResponse): void {
    if (syntaxFault(response) !== undefined) return;
    const { method } = response.cseq;
    const via = response.topVia;
    // RFC 3261 §8.1.3.3: with a second Via it is on its way to somebody else.
    if (response.headers.all('Via').length !== 1) return;
    const client = this.#clients.get(clientKey(this.#peer(flow), via.branch, method));
    if (client !== undefined) {
      if (client.sentBy === sentByOf(via)) client.receive(response);
      return;
    }
    const isOurs = sentByOf(via) === this.#options.sentBy(flow).toLowerCase();
    const is2xx = response.status >= 200 && response.status < 300;
    if (isOurs && is2xx && method === 'INVITE') this.#user.response(response, flow);
  }

  #request(flow: Flow, request: SipRequest): void {
    const fault = syntaxFault(request);
    if (fault !== undefined) {
      this.#refuse(flow, request, fault.status, fault.reason);
      return;
    }
    const via = stampVia(request, flow);
    if (!isMagic(via.branch)) this.#refuse(flow, request, 400, 'Via Branch Of RFC 2543');
    else if (request.method === 'ACK') this.#ack(flow, request, via);
    else if (request.method === 'CANCEL') this.#cancel(flow, request, via);
    else this.#find(flow, request, serverKey(this.#peer(flow), via, request.method));
  }

  #find(flow: Flow, request: SipRequest, key: string): void {
    const known = this.#servers.get(key);
    const inDialog = toTagOf(request) !== '';
    const peer = this.#peer(flow);
    const merged = inDialog ? undefined : mergedKey(peer, request);
    const standing = { all: this.#servers.size, ofPeer: this.#standingOf.get(peer) ?? 0 };
    if (known !== undefined) known.repeated(flow);
    else if (merged !== undefined && this.#merged.has(merged)) this.#refuse(flow, request, 482, 'Merged Request');
    else if (this.#admission.admits(flow, peer, inDialog, standing)) this.#begin(flow, request, key, merged);
    else this.#refuse(flow, request, 503, undefined, this.#admission.retryAfter());
  }

  #begin(flow: Flow, request: SipRequest, key: string, merged: string | undefined): void {
    const server = new Server(key, request, flow, this.#serverGround);
    this.#servers.set(key, server);
    this.#serversOf.add(flow, server);
    this.#stand(server, this.#peer(flow));
    if (merged !== undefined) this.#merged.begin(merged);
    server.merged = merged;
    this.#pass(server);
  }

  #pass(server: Server): void {
    const { transaction } = server;
    if (transaction === undefined) return;
    try {
      this.#user.request(transaction);
    } catch (error) {
      if (codeOf(error) !== 'sip-malformed') throw error;
      transaction.respond(respondTo(transaction.request, 400));
    }
  }

  #ack(flow: Flow, ack: SipRequest, via: Via): void {
    const server = this.#servers.get(serverKey(this.#peer(flow), via, 'INVITE'));
    const tag = toTagOf(ack);
    const of2xx = server === undefined ? tag !== '' && tag !== this.#statelessTag : server.acknowledged();
    if (of2xx) this.#user.ack(ack, flow);
  }

  #cancel(flow: Flow, cancel: SipRequest, via: Via): void {
    const server = this.#servers.get(serverKey(this.#peer(flow), via, 'INVITE'));
    if (server === undefined) {
      this.#refuse(flow, cancel, 481);
      return;
    }
    this.#answer(flow, tagged(respondTo(cancel, 200), server.tag));
    const transaction = server.cancelled();
    if (transaction !== undefined) this.#user.cancelled(transaction, cancel);
  }

  /** Answers without a transaction (RFC 3261 §8.2.7); an ACK is never answered. */
  #refuse(flow: Flow, request: SipRequest, status: number, reason?: string, retryAfter?: number): void {
    if (request.method === 'ACK' || !request.headers.has('Via')) return;
    const response = tagged(respondTo(request, status, reason), this.#statelessTag);
    if (retryAfter !== undefined) response.headers.set('Retry-After', String(retryAfter));
    this.#answer(flow, response);
  }

  #answer(flow: Flow, response: SipResponse): void {
    if (!flow.open) return;
    try {
      flow.send(serialise(response));
    } catch (error) {
      // What a request brings may be nothing to send back.
      if (codeOf(error) !== 'sip-unsendable') throw error;
    }
  }

  #moved(server: Server, from: Flow): void {
    this.#serversOf.delete(from, server);
    if (server.pending) this.#serversOf.add(server.flow, server);
  }

  #answered(server: Server, status: number): void {
    if (!server.pending) {
      this.#serversOf.delete(server.flow, server);
      this.#leave(server);
    }
    if (server.merged === undefined) return;
    if (status < 300) this.#merged.answered(server.merged);
    else this.#merged.refused(server.merged);
    server.merged = undefined;
  }

  #ended(server: Server): void {
    this.#servers.delete(server.key);
    this.#serversOf.delete(server.flow, server);
    this.#leave(server);
    if (server.merged !== undefined) this.#merged.refused(server.merged);
  }

  #stand(server: Server, peer: string): void {
    server.standsFor = peer;
    this.#standingOf.set(peer, (this.#standingOf.get(peer) ?? 0) + 1);
  }

  #leave(server: Server): void {
    const peer = server.standsFor;
    if (peer === undefined) return;
    server.standsFor = undefined;
    const others = (this.#standingOf.get(peer) ?? 0) - 1;
    if (others > 0) this.#standingOf.set(peer, others);
    else this.#standingOf.delete(peer);
  }

  #withVia(flow: Flow, request: SipRequest, branch: string): SipRequest {
    // RFC 5923 §8: over mutual TLS the peer may send its requests on this connection.
    const via = flow.secure
      ? `SIP/2.0/TLS ${this.#options.sentBy(flow)};branch=${branch};alias`
      : `SIP/2.0/TCP ${this.#options.sentBy(flow)};branch=${branch}`;
    return new SipRequest(request.method, request.uri, request.headers.clone().addFirst('Via', via), request.body);
  }

  #peer(flow: Flow): string {
    const known = this.#peers.get(flow);
    if (known !== undefined) return known;
    const peer = (this.#options.peerOf ?? peerByCertificate)(flow);
    this.#peers.set(flow, peer);
    return peer;
  }
}
