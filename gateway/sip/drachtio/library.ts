import type { EventEmitter } from 'node:events';
import type { Server } from 'node:net';
import { Fault, systemText } from '../../../policies/fault.ts';

/** What is used of a message of drachtio-srf: the parts that its own types leave out are here. */
interface LibraryMessage extends EventEmitter {
  /** As it was on the wire, but read as UTF-8. */
  readonly raw: string;
  readonly source: 'network' | 'application';
  /** '' in a response that the server made up itself. */
  readonly source_address: string;
  readonly source_port: number;
  readonly protocol: string;
  /** The server's name of the dialog; '' or undefined outside of one. */
  readonly stackDialogId: string | undefined;
}

export interface LibraryRequest extends LibraryMessage {
  readonly method: string;
  cancel(done: (error: unknown) => void): void;
}

export interface LibraryResponse extends LibraryMessage {
  readonly status: number;
  /** Answers a request; `done` has the error, or the response as it was sent. */
  send(
    status: number,
    reason: string,
    content: MessageContent,
    done: (error: unknown, sent?: { readonly raw: string }) => void,
  ): void;
}

/** Sends the ACK of a 2xx, or the PRACK of a reliable provisional response. */
export type LibraryAck = (content?: MessageContent) => void;

export interface MessageContent {
  headers?: Record<string, string>;
  body?: string;
}

/** A request to send: within a dialog without a URI. */
export interface RequestContent extends MessageContent {
  readonly method: string;
  uri?: string;
  stackDialogId?: string;
  /** The URI of the next hop. */
  proxy?: string;
}

type Middleware = (request: LibraryRequest, response: LibraryResponse) => void;

/** The `Srf` of drachtio-srf. */
export interface Srf extends EventEmitter {
  readonly app: {
    request(content: RequestContent, done: (error: unknown, sent?: LibraryRequest) => void): void;
  };
  listen(options: { server: Server; secret: string; enablePing: boolean; pingInterval: number }): void;
  use(middleware: Middleware): void;
  /** Asks the server for the requests of a method. */
  readonly [method: `${Lowercase<string>}`]: unknown;
}

export interface Library {
  newSrf(): Srf;
}

/** Loads drachtio-srf, which only installations with drachtio need. Rejects with Fault `drachtio-unusable`. */
export async function loadLibrary(): Promise<Library> {
  try {
    const { default: Constructor } = (await import('drachtio-srf')) as unknown as { default: new () => Srf };
    return { newSrf: () => new Constructor() };
  } catch (cause) {
    throw new Fault('drachtio-unusable', `drachtio-srf cannot be loaded: ${systemText(cause)}`, {
      remedy: 'Install it beside the gateway: npm install drachtio-srf.',
      cause,
    });
  }
}
