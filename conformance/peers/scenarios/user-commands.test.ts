import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { C2sStream } from '../c2s-stream.ts';
import type { GatewayProcess } from '../gateway.ts';
import { World } from '../world.ts';

/** `drawbridge user …` beside a running gateway: what it changes holds at once. */
describe('The users of a running gateway', () => {
  let world: World;
  let gateway: GatewayProcess;
  beforeEach(async () => {
    world = await World.start();
    gateway = await world.gateway({ home: { users: { alice: 'pass-a' } }, homeDomains: ['h.example'], policies: {} });
  });
  afterEach(() => world?.close());

  /** Signs in once, as a client that does not try again. */
  const signIn = async (username: string, password: string): Promise<void> => {
    const { address, domain, ports } = gateway;
    const authorityPem = world.authority.pem;
    const stream = await C2sStream.open({ address, port: ports.c2s, domain, username, password, authorityPem });
    stream.destroy();
    await stream.closed;
  };

  const user = (args: readonly string[], input = '') =>
    gateway.command(['user', ...args, '-c', gateway.configFile, '--json'], input);

  it('are added one by one or by a list, and can sign in', async () => {
    await gateway.addUser('carol', 'pass-c');
    const list = join(dirname(gateway.configFile), 'users.csv');
    await writeFile(list, 'address,password,name\ndave@h.example,pass-d,"Dave, of Sales"\n');
    expect(JSON.parse(await user(['add', '--csv', list]))).toMatchObject({ added: 1, skipped: [] });
    const [alice, carol, dave] = await Promise.all([
      world.smClient(gateway, 'alice'),
      world.smClient(gateway, 'carol', { password: 'pass-c' }),
      world.smClient(gateway, 'dave', { password: 'pass-d' }),
    ]);
    await alice.say(carol.address, 'welcome');
    await alice.say(dave.address, 'welcome');
    for (const newcomer of [carol, dave]) {
      expect((await newcomer.messages.next()).getChildText('body')).toBe('welcome');
    }
  });

  it('sign in with a new password and no longer with the old one', async () => {
    await user(['passwd', 'alice@h.example', '--password-stdin'], 'another\n');
    await expect(signIn('alice', 'pass-a')).rejects.toThrow('not-authorized');
    await signIn('alice', 'another');
  });

  it('sign in no more once they are removed', async () => {
    await signIn('alice', 'pass-a');
    expect(JSON.parse(await user(['remove', 'alice@h.example', '--yes']))).toMatchObject({ removed: true });
    await expect(signIn('alice', 'pass-a')).rejects.toThrow('not-authorized');
  });
});
