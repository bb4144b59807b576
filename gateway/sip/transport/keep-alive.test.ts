import { describe, expect, it } from 'vitest';
import { KeepAlive, type KeepAliveOptions } from './keep-alive.ts';

const demanded: KeepAliveOptions = { intervalMs: 100_000, pongMs: 10_000, pong: 'demanded' };
const onceSeen: KeepAliveOptions = { ...demanded, pong: 'once-seen' };

describe('The keep-alive of a flow that we opened', () => {
  it.each([
    [0, 80_000],
    [0.5, 90_000],
    [0.999, 99_980],
  ])('pings after 80 to 100 %% of the interval (%f: %i ms)', (random, at) => {
    const keepAlive = new KeepAlive(demanded, 10, () => random, 0);
    expect([keepAlive.due(at - 1), keepAlive.due(at)]).toEqual([undefined, 'ping']);
  });

  it('pings again an interval after the answer', () => {
    const keepAlive = new KeepAlive(demanded, 10, () => 0, 0);
    keepAlive.due(80_000);
    expect(keepAlive.blankLine(81_000)).toBe('pong');
    expect([keepAlive.due(160_999), keepAlive.due(161_000)]).toEqual([undefined, 'ping']);
  });

  it('takes a flow for dead on which no answer comes in time', () => {
    const keepAlive = new KeepAlive(demanded, 10, () => 0, 0);
    keepAlive.due(80_000);
    expect([keepAlive.due(89_999), keepAlive.due(90_000)]).toEqual([undefined, 'dead']);
  });

  it('takes a message in place of the answer for a sign of life', () => {
    const keepAlive = new KeepAlive(demanded, 10, () => 0, 0);
    keepAlive.due(80_000);
    keepAlive.message();
    expect([keepAlive.due(90_000), keepAlive.due(170_000)]).toEqual([undefined, 'ping']);
  });

  it('passes over the silence of a peer that may not know of pings, until it has answered one', () => {
    const keepAlive = new KeepAlive(onceSeen, 10, () => 0, 0);
    expect([keepAlive.due(80_000), keepAlive.due(90_000), keepAlive.due(170_000)]).toEqual(['ping', undefined, 'ping']);
    keepAlive.blankLine(171_000);
    expect([keepAlive.due(251_000), keepAlive.due(261_000)]).toEqual(['ping', 'dead']);
  });

  it('tells the answer from pings of the peer, also where both cross', () => {
    const keepAlive = new KeepAlive(demanded, 10, () => 0, 0);
    keepAlive.due(80_000);
    const heard = [1, 2, 3].map(() => keepAlive.blankLine(80_001));
    expect(heard).toEqual(['pong', 'half', 'ping']);
  });
});

describe('The keep-alive of a flow that a peer opened', () => {
  it('answers each second CRLF, sends none of its own, and never takes the flow for dead', () => {
    const keepAlive = new KeepAlive(undefined, 10, () => 0, 0);
    expect([1, 2, 3, 4].map(() => keepAlive.blankLine(0))).toEqual(['half', 'ping', 'half', 'ping']);
    expect(keepAlive.due(Number.MAX_SAFE_INTEGER)).toBeUndefined();
  });

  it('does not join CRLFs on both sides of a message to a ping', () => {
    const keepAlive = new KeepAlive(undefined, 10, () => 0, 0);
    keepAlive.blankLine(0);
    keepAlive.message();
    expect(keepAlive.blankLine(0)).toBe('half');
  });

  it('calls more of them than there may be in ten seconds a flood', () => {
    const keepAlive = new KeepAlive(undefined, 3, () => 0, 0);
    expect([1, 2, 3, 4].map(() => keepAlive.blankLine(9_999))).toEqual(['half', 'ping', 'half', 'flood']);
    expect(keepAlive.blankLine(19_999)).not.toBe('flood');
  });
});
