import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** What the children of the tests do (`crash.fixture.ts`). */
export type ChildTask = 'write' | 'migrate' | 'lock';

/** A process that does its task until it is killed, saying lines meanwhile. */
export class Child {
  readonly lines: string[] = [];
  readonly #process: ChildProcess;

  constructor(task: ChildTask, ...args: readonly string[]) {
    this.#process = spawn(process.execPath, [join(import.meta.dirname, 'crash.fixture.ts'), task, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  /** Waits for so many lines, kills it with SIGKILL (`before` that, something may be tried), and reads on to the end. */
  async killAfter(count: number, before: () => void = () => undefined): Promise<void> {
    const { stdout } = this.#process;
    if (stdout === null) throw new Error('no pipe');
    const ended = once(this.#process, 'exit');
    for await (const line of createInterface({ input: stdout })) {
      this.lines.push(line);
      if (this.lines.length !== count) continue;
      before();
      this.#process.kill('SIGKILL');
    }
    await ended;
  }
}
