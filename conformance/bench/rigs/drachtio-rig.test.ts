import { describe, expect, it } from 'vitest';
import { drachtioServer, tcpAddress } from './drachtio-rig.ts';

describe('A drachtio server', () => {
  it('is where the environment says, and nowhere without that', () => {
    expect(drachtioServer({})).toBeUndefined();
    expect(drachtioServer({ DRACHTIO_HOST: '' })).toBeUndefined();
    expect(drachtioServer({ DRACHTIO_HOST: '192.0.2.1', DRACHTIO_PORT: '9023', DRACHTIO_SECRET: 's' })).toEqual({
      host: '192.0.2.1',
      port: 9023,
      secret: 's',
    });
  });

  it.each([
    ['udp/192.0.2.1:5060,tcp/192.0.2.1:5070', { address: '192.0.2.1', port: 5070 }],
    ['tcp/[2001:db8::1]:5060', { address: '2001:db8::1', port: 5060 }],
    ['tls/192.0.2.1:5061', undefined],
  ])('takes SIP over TCP at one of %s', (addresses, at) => {
    expect(tcpAddress(addresses)).toEqual(at);
  });
});
