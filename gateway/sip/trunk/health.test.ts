import { describe, expect, it, test } from 'vitest';
import { Health } from './health.ts';

function observed(observations: string): string[] {
  const turns: string[] = [];
  const health = new Health({ failures: 2, successes: 2, turned: (state, why) => turns.push(`${state} ${why ?? ''}`) });
  for (const [at, one] of [...observations].entries()) {
    if (one === '+') health.succeeded();
    else health.failed(`why ${at}`);
  }
  return turns;
}

describe('the health of a trunk', () => {
  test.each<[string, string, readonly string[]]>([
    ['is up with the first success', '+', ['up ']],
    ['says so once', '+++', ['up ']],
    ['bears one failure', '+-+-+', ['up ']],
    ['is down after two in a row', '+--', ['up ', 'down why 2']],
    ['may be down from the start', '--', ['down why 1']],
    ['is not up again with one success', '--+-+', ['down why 1']],
    ['is up again after two in a row', '--++', ['down why 1', 'up ']],
  ])('%s: %s', (_, observations, turns) => {
    expect(observed(observations)).toEqual(turns);
  });

  it('is taken to be up while nothing is known, and counts failures', () => {
    const health = new Health({ failures: 3, successes: 1, turned: () => undefined });
    expect(health.state).toBe('up');
    health.failed('x');
    health.failed('x');
    expect([health.state, health.failures]).toEqual(['up', 2]);
    health.failed('x');
    expect(health.state).toBe('down');
    health.succeeded();
    expect([health.state, health.failures]).toEqual(['up', 0]);
  });

  it('tells when it recovers, and is forgiven where something has changed', () => {
    const turns: string[] = [];
    const health = new Health({ failures: 2, successes: 2, turned: (state) => turns.push(state) });
    health.failed('x');
    health.failed('x');
    expect(health.recovering).toBe(false);
    health.succeeded();
    expect([health.state, health.recovering]).toEqual(['down', true]);
    health.forgive();
    expect([health.state, health.recovering]).toEqual(['up', false]);
    health.succeeded();
    health.forgive();
    expect([health.state, turns]).toEqual(['up', ['down', 'up']]);
  });
});
