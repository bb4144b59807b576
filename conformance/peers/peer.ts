import type { KeyPair } from './authority.ts';
import type { Lines } from './lines.ts';

/** Where a server asks for DNS. */
export interface Nameserver {
  readonly address: string;
  readonly port: number;
}

/** A foreign domain attached to the server by XEP-0114: its local users' traffic to that domain goes to the component. */
export interface AttachedDomain {
  readonly domain: string;
  readonly secret: string;
  /** true: it is not foreign but one of the server's own, which stands for it towards other servers. */
  readonly own?: boolean | undefined;
}

/** What one XMPP server of the tests is to be; {@link World} fills in address, folder, nameserver, authority and certificate. */
export interface PeerOptions {
  readonly domain: string;
  /** The loopback address of every port of this server. */
  readonly address: string;
  readonly ports: PeerPorts;
  /** An existing folder of its own, for its configuration, data and certificates; whoever made it removes it. */
  readonly folder: string;
  readonly nameserver: Nameserver;
  /** The private CA, PEM. */
  readonly authorityPem: string;
  readonly certificate: KeyPair;
  /**
   * false (the default): peers prove themselves by certificate only. true: dialback (XEP-0220) is offered and accepted too, also from peers whose
   * certificate does not convince; whoever brings a good certificate still gets EXTERNAL.
   */
  readonly dialback?: boolean | undefined;
  /** Also serve `s2sDirectTlsPort` (XEP-0368). */
  readonly directTls?: boolean | undefined;
  readonly components?: readonly AttachedDomain[] | undefined;
  /** The domain of a chat-room service, such as `conference.a.example`; rooms are created by joining, unlocked at once. */
  readonly rooms?: string | undefined;
  /** User name to password. */
  readonly users?: Readonly<Record<string, string>> | undefined;
  /** Bytes of the longest stanza accepted anywhere; 512 KiB when left out. */
  readonly stanzaBytes?: number | undefined;
  /** `info` when left out; `debug` is for finding out why. */
  readonly logLevel?: 'debug' | 'info' | undefined;
}

export interface PeerPorts {
  readonly s2s: number;
  readonly s2sDirectTls: number;
  readonly c2s: number;
  readonly component: number;
}

/** A running XMPP server that no one here wrote. Ports and data stay the same over stop, kill and start. */
export interface Peer {
  readonly domain: string;
  readonly address: string;
  readonly ports: PeerPorts;
  readonly users: Readonly<Record<string, string>>;
  /** Everything it has printed since its first start. */
  readonly log: Lines;
  /** Resolves when every port accepts. */
  start(): Promise<void>;
  /** SIGTERM: streams are closed in an orderly way. Resolves when the process is gone. */
  stop(): Promise<void>;
  /** SIGKILL: the machine lost power. Resolves when the process is gone. */
  kill(): Promise<void>;
  /** `stop`, then `start`. */
  restart(): Promise<void>;
  /** Adds an account while the server runs. */
  addUser(username: string, password: string): Promise<void>;
  /** Replaces certificate and key and makes the server read them, without a restart. */
  rotateCertificate(certificate: KeyPair): Promise<void>;
  /** Ends it without ceremony: the test is over. Idempotent. */
  close(): Promise<void>;
}

export const defaultStanzaBytes = 512 * 1024;
