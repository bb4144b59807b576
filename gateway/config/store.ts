import { z } from 'zod';
import { duration, size } from '../../policies/units.ts';

/** The database below the state folder. */
export const store = z
  .strictObject({
    fsync: z
      .enum(['commit', 'checkpoint'])
      .prefault('commit')
      .describe(
        'What is accepted survives: `commit` power loss, for each group of messages is synced to disk before anybody is ' +
          'told; `checkpoint` the death of the process, but not the last seconds before power is lost.',
      ),
    bytes: size('1MiB', '1024GiB')
      .prefault('2GiB')
      .describe('The largest database. What does not fit is refused, with an error to its sender.'),
  })
  .prefault({})
  .describe('The database in the state folder.');

/** What is accepted and not yet delivered. */
export const outbox = z
  .strictObject({
    keep: z
      .boolean()
      .default(true)
      .describe('Whether messages that are under way are stored, so that a killed gateway loses none.'),
    messages: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(10_000)
      .describe('Messages under way, for each partner and direction. Further ones are refused, with an error.'),
    bytes: size('64KiB', '16GiB').prefault('64MiB').describe('Bytes of these, for each partner and direction.'),
    age: duration('1s', '7d')
      .prefault('1h')
      .describe('How long one may be under way before it goes back to its sender.'),
  })
  .prefault({})
  .describe('Messages that were accepted and are not yet delivered.');
