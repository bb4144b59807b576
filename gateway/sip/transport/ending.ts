/** Why a flow ends: the code for metrics, the sentence for the log. */
export const endings = {
  'by-us': 'Closed by us.',
  'by-peer': 'Closed by the peer.',
  broken: 'The connection broke.',
  malformed: 'The peer sent what is no SIP message.',
  'too-big': 'The peer sent a message larger than the limits.',
  'no-message': 'The peer connected and sent no message.',
  incomplete: 'The peer did not finish a message.',
  idle: 'Nothing came for long.',
  'no-pong': 'The peer answers no keep-alive.',
  'keep-alive-flood': 'The peer floods keep-alives.',
  backlog: 'The peer does not read what is sent.',
  memory: 'Too many incomplete messages wait on all flows together.',
  internal: 'The gateway itself failed at a message.',
} as const;

export type Ending = keyof typeof endings;
