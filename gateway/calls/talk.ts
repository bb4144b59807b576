import type { Session } from '../sip/port.ts';
import type { Route } from './routing.ts';

/** The call in which a request came: from `one` of its sides. */
export interface Talk {
  readonly one: Session;
  readonly other: Session;
  readonly route: Route;
  /** Puts another session in the place of `one`. */
  replace(next: Session): void;
}
