import { z } from 'zod';
import { rate } from '../units.ts';

/** Simultaneous streams of one partner where no policy says otherwise: a handful of nodes, each way, with spares. */
export const CONNECTIONS = 20;
/** Least burst of a limit whose policy gives none: what one user does in a moment must pass a small rate. */
export const LEAST_BURST = 10;

const flow = (of: string) =>
  z
    .strictObject({
      rate: rate.describe(`${of} that may cross in a period.`),
      burst: z
        .int()
        .min(1)
        .max(1_000_000)
        .optional()
        .describe(`${of} that may cross at once; without it one second's worth, and at least ${LEAST_BURST}.`),
    })
    .describe(
      `How many ${of.replace(/^[A-Z](?=[a-z])/, (first) => first.toLowerCase())} may cross. Without this key: as many as come.`,
    );

export const limits = z
  .strictObject({
    messages: flow('Messages').optional(),
    presence: flow('Presence changes').optional(),
    iq: flow('IQ requests').optional(),
    subscriptions: flow('Subscription requests').optional(),
    connections: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe(`Simultaneous streams of the partner; without this key ${CONNECTIONS}.`),
    contacts: z
      .int()
      .min(0)
      .max(10_000_000)
      .optional()
      .describe('Pairs of a local and a partner user who may be subscribed. Without this key: as many as come.'),
  })
  .describe('How much may cross. Each key replaces the one of defaults.yaml, the others stay.');
