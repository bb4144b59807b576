/** Methods that the stack speaks, for Allow; in the order of the registry. */
export const methods = [
  'INVITE',
  'ACK',
  'CANCEL',
  'BYE',
  'OPTIONS',
  'MESSAGE',
  'SUBSCRIBE',
  'NOTIFY',
  'PUBLISH',
  'REFER',
  'INFO',
  'UPDATE',
  'PRACK',
] as const;

export type Method = (typeof methods)[number];

/** Option tags that the stack understands, for Supported, and against Require: RFC 3262, 4028, 4488. */
export const optionTags = ['100rel', 'timer', 'norefersub'] as const;
