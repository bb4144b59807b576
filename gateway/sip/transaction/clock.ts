/** The clock of the floors from here up; the transport has it below. */
export { type Clock, systemClock, type Timer } from '../transport/clock.ts';
