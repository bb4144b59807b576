import type { World } from '../../peers/world.ts';
import type { Load } from '../load/flows.ts';
import type { LoadProcess } from '../load/load-process.ts';
import type { Pair } from '../load/stanzas.ts';

/** From the partner to the home side, or back. */
export type Direction = 'inbound' | 'outbound';
export const directions = ['inbound', 'outbound'] as const satisfies readonly Direction[];

/** One end of a rig: a connection of a load process. */
export interface End {
  readonly load: LoadProcess;
  readonly line: string;
}

/** A way through the hop that stands. */
export interface Way {
  readonly from: End;
  readonly to: End;
  readonly pair: Pair;
}

/** A hop between a TLS stream of a partner and what stands in clear behind it, with both ends attached. */
export interface Rig {
  readonly name: string;
  /** The process whose CPU time counts; undefined where there is no hop. */
  readonly pid: number | undefined;
  readonly ways: Readonly<Record<Direction, Way>>;
  /** How it is flooded, where its ends are slower than the hop. */
  readonly flood?: Load | undefined;
}

/** What rigs are made of. */
export interface Ground {
  readonly world: World;
  readonly partner: LoadProcess;
  readonly home: LoadProcess;
  /** The partner's server has stream management. */
  readonly acks: boolean;
}
