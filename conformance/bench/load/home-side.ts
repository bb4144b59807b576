import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { RawStream } from '../../peers/raw.ts';
import { welcome } from '../../peers/raw-home.ts';
import { type Endpoint, portOf } from './endpoint.ts';
import { Line } from './line.ts';
import type { Lines } from './lines.ts';

export interface HomeListen {
  readonly line: string;
  readonly address: string;
}

export interface ComponentDial extends Endpoint {
  readonly line: string;
  readonly domain: string;
  readonly secret: string;
}

/** What stands behind the hop: the home server of a gateway, a component of a server, or the bare end of a byte pipe. */
export function homeSide(lines: Lines) {
  return {
    /** Takes component links (XEP-0114) as a home server does; each is the line from there on. Resolves with the port. */
    serveComponents({ line, address }: HomeListen): Promise<number> {
      return listen(
        address,
        async (socket) => {
          const link = RawStream.over(socket);
          await link.read(/<stream:stream[^>]*>/);
          await welcome(link);
          return link;
        },
        (stands) => lines.put(line, stands),
      );
    },

    /** Becomes a component of a server. */
    async dialServerAsComponent({ line, address, port, domain, secret }: ComponentDial): Promise<void> {
      const socket = await dialed({ address, port });
      const link = RawStream.over(socket);
      await link.write(
        `<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='${domain}'>`,
      );
      const header = await link.read(/<stream:stream[^>]*>/);
      const id = /\sid=['"]([^'"]*)['"]/.exec(header)?.[1] ?? '';
      await link.write(
        `<handshake>${createHash('sha1')
          .update(id + secret)
          .digest('hex')}</handshake>`,
      );
      await link.read(/<handshake\s*\/>|<handshake><\/handshake>/);
      lines.put(line, new Line(socket));
    },

    /** Bytes in clear. */
    async dialTcp({ line, ...endpoint }: Endpoint & { line: string }): Promise<void> {
      lines.put(line, new Line(await dialed(endpoint)));
    },

    serveTcp({ line, address }: HomeListen): Promise<number> {
      return listen(
        address,
        async (socket) => RawStream.over(socket),
        (stands) => lines.put(line, stands),
      );
    },
  };
}

async function dialed({ address, port }: Endpoint): Promise<Socket> {
  const socket = connect({ host: address, port });
  await once(socket, 'connect');
  return socket;
}

/** Takes connections and puts each of them where it belongs once it is `welcomed`. */
function listen(
  address: string,
  welcomed: (socket: Socket) => Promise<RawStream>,
  put: (line: Line) => void,
): Promise<number> {
  const server = createServer((socket) => {
    welcomed(socket).then(
      (stream) => {
        const early = stream.unread;
        const line = new Line(socket);
        line.arrivals.push(Buffer.from(early));
        put(line);
      },
      () => socket.destroy(), // it hung up during its negotiation
    );
  });
  return portOf(server.listen(0, address));
}
