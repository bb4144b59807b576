/** The way a queue of the outbox leads: `in` to the home, for a partner domain, or `out` from a home domain to one. */
export interface Route {
  readonly direction: 'inbound' | 'outbound';
  readonly home: string;
  readonly partner: string;
}

export function routeName({ direction, home, partner }: Route): string {
  return direction === 'inbound' ? `in ${partner}` : `out ${home} ${partner}`;
}

/** Undoes {@link routeName}. */
export function readRoute(name: string): Route {
  const [direction, ...domains] = name.split(' ');
  if (direction === 'in') return { direction: 'inbound', home: '', partner: domains[0] ?? '' };
  return { direction: 'outbound', home: domains[0] ?? '', partner: domains[1] ?? '' };
}
