import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { selfSigned } from './authority.ts';
import { RawStream } from './raw.ts';

describe('RawStream', () => {
  const server = createServer();
  let client: RawStream;
  let far: Socket;

  beforeEach(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    client = await RawStream.connect({ address: '127.0.0.1', port: (server.address() as AddressInfo).port });
    far = (await accepted)[0];
    far.on('error', () => {});
  });

  afterEach(async () => {
    await client.close();
    far.destroy();
    server.close();
    await once(server, 'close');
  });

  it('reads up to a match over any split and keeps the rest', async () => {
    const duck = Buffer.from('<a>🦆</a><b/>');
    for (const byte of duck) far.write(Buffer.of(byte));
    expect(await client.read(/<\/a>/)).toBe('<a>🦆</a>');
    expect(await client.read(/<b\/>/)).toBe('<b/>');
    expect(client.unread).toBe('');
  });

  it('writes what it is told', async () => {
    const received = once(far, 'data');
    await client.write(Buffer.from([0xff, 0x00]));
    expect((await received)[0]).toEqual(Buffer.from([0xff, 0x00]));
  });

  it('tells what there was when nothing matches in time or the connection ends', async () => {
    far.write('half');
    await client.read(/ha/);
    await expect(client.read(/never/, { timeoutMs: 20 })).rejects.toThrow(/within 20 ms; unread: lf/);
    far.end();
    await expect(client.read(/never/)).rejects.toThrow(/before the connection ended; unread: lf/);
    await client.closed;
  });

  it('goes on over TLS with a certificate of its own', async () => {
    const [ours, theirs] = await Promise.all([selfSigned('ours.example'), selfSigned('theirs.example')]);
    const secured = new TLSSocket(far, {
      isServer: true,
      cert: theirs.certificatePem,
      key: theirs.keyPem,
      requestCert: true,
      rejectUnauthorized: false,
    });
    await client.startTls({ cert: ours.certificatePem, key: ours.keyPem, servername: 'theirs.example' });
    expect(client.tls?.getPeerX509Certificate()?.checkHost('theirs.example')).toBe('theirs.example');
    secured.write('over TLS');
    expect(await client.read(/TLS/)).toBe('over TLS');
    expect(secured.getPeerX509Certificate()?.checkHost('ours.example')).toBe('ours.example');
  });
});
