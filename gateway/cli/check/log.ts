import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { error, type Observation, ok } from '../observation.ts';
import { pathText } from '../place-text.ts';
import type { Checked } from './checked.ts';
import { existingAncestor, writable } from './state.ts';

/** The log file: there and writable, or possible to make. Standard error needs no look. */
export async function checkLog({ config, place }: Checked): Promise<Observation[]> {
  const { file } = config.log;
  if (file === undefined) return [];
  const name = pathText(file);
  const wrong = (what: string, remedy: string) => [
    error('log', `${name} ${what}`, { place: place('log', 'file'), remedy }),
  ];
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) {
    const ancestor = await existingAncestor(dirname(file));
    if (await writable(ancestor)) return [ok('log', `${name} will be created`)];
    return wrong(
      'cannot be created',
      `let the gateway's user write to ${pathText(ancestor)}, and see that it is a folder`,
    );
  }
  if (found.isDirectory()) return wrong('is a folder', 'name a file');
  const mayWrite = await access(file, constants.W_OK).then(
    () => true,
    () => false,
  );
  return mayWrite ? [ok('log', `${name} is there`)] : wrong('cannot be written to', "give it to the gateway's user");
}
