import type { SoundReading } from '../../config/config.ts';

/** The configuration under check, and where its keys stand. */
export type Checked = Pick<SoundReading, 'config' | 'place'>;
