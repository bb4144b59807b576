import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { JournalLog } from './journal-log.ts';

/** A journal whose lines are kept, and whose clock stands until it is moved, ms. */
class Kept {
  readonly lines: Record<string, unknown>[] = [];
  now = 0;
  readonly journal = new JournalLog({
    level: 'info',
    now: () => this.now,
    stream: { write: (line: string) => this.lines.push(JSON.parse(line)) },
  });

  refuse(times: number, partner: string): void {
    for (let n = 0; n < times; n++) this.journal.refuse('stanza-refused', 'policy-silent', { partner });
  }

  /** Lines taken out, the usual ones by partner, those of a flood as they are. */
  take(): { written: Record<string, number>; floods: Record<string, unknown>[] } {
    const lines = this.lines.splice(0);
    const usual = lines.filter(({ suppressed }) => suppressed === undefined);
    const byPartner = Map.groupBy(usual, ({ partner }) => String(partner));
    return {
      written: Object.fromEntries([...byPartner].map(([partner, of]) => [partner, of.length])),
      floods: lines
        .filter(({ suppressed }) => suppressed !== undefined)
        .map(({ event, reason, partner, suppressed, msg }) => ({ event, reason, partner, suppressed, msg })),
    };
  }
}

const flood = (partner: string | undefined, suppressed: number): Record<string, unknown> => ({
  event: 'stanza-refused',
  reason: 'policy-silent',
  partner,
  suppressed,
  msg: 'More of the same.',
});

describe('a line of the log', () => {
  it('says what was refused, why in words, and by which rule', () => {
    const kept = new Kept();
    const rule = { file: 'p.yaml', line: 3, column: 1 };
    kept.journal.refuse('stanza-refused', 'presence-hidden', { partner: 'p.example', rule, from: 'a@h.example' });
    expect(kept.lines).toEqual([
      {
        level: 40,
        time: expect.any(Number),
        event: 'stanza-refused',
        reason: 'presence-hidden',
        partner: 'p.example',
        rule,
        from: 'a@h.example',
        msg: 'The policy shows this partner nothing of this user.',
      },
    ]);
  });

  it('notes the ordinary course of things without a word of its own', () => {
    const kept = new Kept();
    kept.journal.note('reloaded', { what: 'policies', partners: 2 });
    expect(kept.lines).toEqual([
      { level: 30, time: expect.any(Number), event: 'reloaded', what: 'policies', partners: 2 },
    ]);
  });

  it('tells a defect with its stack', () => {
    const kept = new Kept();
    kept.journal.defect(new TypeError('oops'));
    expect(kept.lines).toMatchObject([
      {
        level: 50,
        event: 'defect',
        err: { type: 'TypeError', message: 'oops', stack: expect.stringContaining('at ') },
      },
    ]);
  });

  it('is short however long what a sender chose', () => {
    const kept = new Kept();
    kept.journal.refuse('stanza-refused', 'policy-silent', { id: 'x'.repeat(1_000_000), bytes: 1_000_000 });
    expect(JSON.stringify(kept.lines).length).toBeLessThan(1_000);
    expect(kept.lines).toMatchObject([{ id: expect.stringMatching(/^x+…$/), bytes: 1_000_000 }]);
  });
});

describe('a flood of refusals', () => {
  it('is told by its number, a hundred lines a second of each partner', () => {
    const kept = new Kept();
    kept.refuse(250, 'p.example');
    kept.refuse(100, 'q.example');
    expect(kept.take()).toEqual({ written: { 'p.example': 100, 'q.example': 100 }, floods: [] });
    kept.now = 999;
    kept.refuse(5, 'p.example');
    expect(kept.take()).toEqual({ written: {}, floods: [] });
    kept.now = 1_000;
    kept.refuse(1, 'p.example');
    expect(kept.take()).toEqual({ written: { 'p.example': 1 }, floods: [flood('p.example', 155)] });
  });

  it('does not hide other events, nor other reasons', () => {
    const kept = new Kept();
    kept.refuse(200, 'p.example');
    kept.take();
    kept.journal.refuse('stanza-refused', 'no-partner', { partner: 'p.example' });
    kept.journal.refuse('stanza-undeliverable', 'policy-silent', { partner: 'p.example' });
    kept.journal.note('reloaded', { partner: 'p.example' });
    expect(kept.take().written).toEqual({ 'p.example': 3 });
  });

  it('in ever new names does not fill the log either', () => {
    const kept = new Kept();
    for (let n = 0; n < 5_000; n++) kept.refuse(1, `p${n}.example`);
    expect(kept.lines.length).toBeLessThanOrEqual(1_000);
    kept.lines.length = 0;
    kept.now = 1_000;
    kept.refuse(1, 'p.example');
    const { floods } = kept.take();
    expect(floods.reduce((total, { suppressed }) => total + Number(suppressed), 0)).toBe(4_000);
  });

  it('is told at the end too', () => {
    const kept = new Kept();
    kept.refuse(101, 'p.example');
    kept.take();
    kept.journal.close();
    expect(kept.take().floods).toEqual([flood('p.example', 1)]);
    kept.journal.close();
    expect(kept.take().floods).toEqual([]);
  });

  it('is counted in full', () => {
    const kept = new Kept();
    kept.refuse(1_000, 'p.example');
    kept.journal.refuse('home-lost', 'home-unavailable', {});
    kept.journal.note('home-linked', {});
    kept.journal.note('stream-closed', { reason: 'stream-idle' });
    kept.journal.defect('oops');
    expect([...kept.journal.counts()]).toEqual([
      { event: 'stanza-refused', reason: 'policy-silent', count: 1_000 },
      { event: 'home-lost', reason: 'home-unavailable', count: 1 },
      { event: 'home-linked', reason: '', count: 1 },
      { event: 'stream-closed', reason: 'stream-idle', count: 1 },
      { event: 'defect', reason: 'internal', count: 1 },
    ]);
  });

  it('counts what the level keeps out of the log', () => {
    const lines: string[] = [];
    const journal = new JournalLog({ level: 'error', now: () => 0, stream: { write: (line) => lines.push(line) } });
    journal.refuse('stanza-refused', 'policy-silent', {});
    expect([lines, [...journal.counts()].length]).toEqual([[], 1]);
  });
});

describe('a log file', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drawbridge-journal-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is made with its folder, appended to, and opened anew after a rotation', async () => {
    const file = join(folder, 'logs', 'gateway.log');
    const events = async (path: string): Promise<unknown[]> =>
      (await readFile(path, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).event);
    for (const event of ['started', 'stopped'] as const) {
      const journal = new JournalLog({ level: 'info', file, now: () => 0 });
      journal.note(event, {});
      journal.close();
    }
    const journal = new JournalLog({ level: 'info', file, now: () => 0 });
    await rename(file, `${file}.1`);
    journal.note('home-lost', {});
    journal.reopen();
    journal.note('home-linked', {});
    journal.close();
    expect(await events(`${file}.1`)).toEqual(['started', 'stopped', 'home-lost']);
    expect(await events(file)).toEqual(['home-linked']);
  });

  it('that cannot be opened is a fault of the configuration', async () => {
    await writeFile(join(folder, 'taken'), '');
    for (const file of [folder, join(folder, 'taken', 'log')]) {
      expect(() => new JournalLog({ level: 'info', file, now: () => 0 })).toThrow(
        expect.objectContaining({ code: 'config-invalid', remedy: expect.stringContaining('name a file') }),
      );
    }
  });

  it('goes on into the old file where the new one cannot be opened, and turns to it once it can', async () => {
    const file = join(folder, 'drawbridge.log');
    const journal = new JournalLog({ level: 'info', file, now: () => 0 });
    await rename(file, `${file}.1`);
    await mkdir(file);
    for (let times = 0; times < 2; times++) {
      expect(() => journal.reopen()).toThrow(expect.objectContaining({ code: 'config-invalid' }));
    }
    journal.note('started', {});
    await rm(file, { recursive: true });
    journal.reopen();
    journal.note('stopped', {});
    journal.close();
    expect(await readFile(`${file}.1`, 'utf8')).toContain('"started"');
    expect(await readFile(file, 'utf8')).toContain('"stopped"');
  });

  it('is standard error where none is named, which a rotation leaves alone', () => {
    const script = `
      import { JournalLog } from ${JSON.stringify(new URL('./journal-log.ts', import.meta.url).href)};
      const journal = new JournalLog({ level: 'info', now: Date.now });
      journal.note('started', {});
      journal.reopen();
      journal.note('stopped', {});
      journal.close();`;
    const said = execFileSync('/bin/sh', ['-c', '"$0" --input-type=module -e "$1" 2>&1', process.execPath, script], {
      encoding: 'utf8',
    });
    expect(
      said
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).event),
    ).toEqual(['started', 'stopped']);
  });

  it.runIf(existsSync('/dev/full'))(
    'goes on without its lines while the disk is full, counts them, and ends',
    async () => {
      const journal = new JournalLog({ level: 'info', file: '/dev/full', now: Date.now });
      journal.note('started', {});
      await vi.waitFor(() => expect([...journal.counts()].map(({ event }) => event)).toContain('log-failed'));
      journal.close();
    },
  );
});
