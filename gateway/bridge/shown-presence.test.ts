import { describe, expect, it } from 'vitest';
import { ShownPresence } from './shown-presence.ts';

describe('shown presence', () => {
  it('is retracted once, of those who are hidden, unless they went themselves', () => {
    const shown = new ShownPresence();
    shown.told('p', 'a', 'x', true);
    shown.told('p', 'a', 'x', true);
    shown.told('q', 'a', 'x', true);
    shown.told('p', 'b', 'x', true);
    shown.told('p', 'c', 'x', true);
    shown.told('p', 'c', 'x', false);
    shown.told('p', 'd', 'x', false);
    const hidden = (partner: string, from: string): boolean => partner === 'p' && from !== 'b';
    expect([...shown.retract(hidden)]).toEqual([{ partner: 'p', from: 'a', to: 'x' }]);
    expect([...shown.retract(hidden)]).toEqual([]);
    expect([...shown.retract(() => true)]).toHaveLength(2);
  });

  it('is bounded', () => {
    const shown = new ShownPresence();
    for (let n = 0; n < 200_010; n++) shown.told(`p${n}`, 'a', 'x', true);
    expect([...shown.retract(() => true)]).toHaveLength(200_000);
  });
});
