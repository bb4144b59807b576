import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { inspect } from 'node:util';
import { z } from 'zod';
import { Fault, systemText } from '../../policies/fault.ts';

/** Most characters of a secret: what is longer is not one, but the wrong file. */
const LONGEST = 4_096;

/** Where a secret comes from. */
export type SecretSource = 'env' | 'file' | 'plain';

/** A secret that is only read when it is used, and shows itself in no log. */
export class Secret {
  readonly source: SecretSource;
  /** Name of the variable, path of the file, or the secret itself. */
  readonly #where: string;

  constructor(source: SecretSource, where: string) {
    this.source = source;
    this.#where = where;
  }

  /** Reads the secret, without the line end of a file. Rejects with Fault `config-invalid` where there is none. */
  async reveal(env: Readonly<Record<string, string | undefined>> = process.env): Promise<string> {
    if (this.source === 'plain') return this.#where;
    const text = this.source === 'env' ? env[this.#where] : (await this.#readFile()).replace(/\r?\n$/, '');
    if (text !== undefined && text !== '' && text.length <= LONGEST) return text;
    const problem = text === undefined ? 'not set' : text === '' ? 'empty' : `longer than ${LONGEST} characters`;
    const holder = this.source === 'env' ? 'environment variable' : 'file';
    throw new Fault('config-invalid', `The ${holder} ${this.#where}, which holds a secret, is ${problem}.`, {
      remedy:
        this.source === 'env' ? `Set it: export ${this.#where}=…` : 'Write the secret into the file, on one line.',
    });
  }

  toString(): string {
    return this.source === 'plain' ? '[secret]' : `[secret of ${this.source} ${this.#where}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }

  async #readFile(): Promise<string> {
    try {
      return await readFile(this.#where, 'utf8');
    } catch (cause) {
      throw new Fault(
        'config-invalid',
        `The file ${this.#where}, which holds a secret, cannot be read: ${systemText(cause)}`,
        {
          remedy: 'Check the path and who may read it.',
          cause,
        },
      );
    }
  }
}

/** Schema of a {@link Secret}: `{ env: NAME }`, `{ file: path }` (relative to `base`) or the secret itself. */
export function secret(base: string) {
  return z
    .union(
      [
        z.string().min(1).max(LONGEST),
        z.strictObject({
          env: z.string().regex(/^[A-Za-z_]\w*$/, 'an environment variable is letters, digits and `_`'),
        }),
        z.strictObject({ file: z.string().min(1) }),
      ],
      { error: 'expected `{ env: NAME }`, `{ file: path }` or a text' },
    )
    .transform((written) => {
      if (typeof written === 'string') return new Secret('plain', written);
      return 'env' in written ? new Secret('env', written.env) : new Secret('file', resolve(base, written.file));
    })
    .meta({ title: '`{ env: NAME }`, `{ file: path }` or text' });
}
