import type { Sdp } from '../sip/port.ts';

/** A session of one audio stream in G.711 (RFC 4566, RFC 3551) at an IPv4 address; nobody sends any media there. */
export function audioAt(address: string): Sdp {
  const lines = [
    'v=0',
    `o=- 1 1 IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    'm=audio 40000 RTP/AVP 8 0',
    'a=rtpmap:8 PCMA/8000',
    'a=rtpmap:0 PCMU/8000',
  ];
  return `${lines.join('\r\n')}\r\n`;
}
