import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { error, type Observation, ok, warning } from '../observation.ts';
import { pathText } from '../place-text.ts';
import type { Checked } from './checked.ts';

/** The state folder: there and ours alone, or possible to make. */
export async function checkState({ config, place }: Checked): Promise<Observation[]> {
  const { state } = config;
  const name = pathText(state);
  const at = { place: place('state') };
  const found = await stat(state).catch(() => undefined);
  if (found === undefined) {
    const ancestor = await existingAncestor(dirname(state));
    if (await writable(ancestor)) return [ok('state', `${name} will be created`)];
    const remedy = `create it for the gateway's user with mode 700, or let that user write to ${pathText(ancestor)}`;
    return [error('state', `${name} cannot be created`, { ...at, remedy })];
  }
  if (!found.isDirectory()) {
    return [error('state', `${name} is no folder`, { ...at, remedy: 'name a folder, or remove what is there' })];
  }
  if (!(await writable(state))) {
    return [error('state', `${name} cannot be written to`, { ...at, remedy: "give it to the gateway's user" })];
  }
  if ((found.mode & 0o077) === 0) return [ok('state', `${name} is there, and closed to other users`)];
  const message = `${name} is open to other users (mode ${(found.mode & 0o777).toString(8)})`;
  return [warning('state', message, { ...at, remedy: `chmod 700 ${name}` })];
}

/** The nearest folder above a path, or the path itself, that exists. */
export async function existingAncestor(folder: string): Promise<string> {
  const above = dirname(folder);
  const there = await stat(folder).then(
    () => true,
    () => false,
  );
  return there || above === folder ? folder : existingAncestor(above);
}

/** Whether this is a folder in which files can be made. */
export async function writable(folder: string): Promise<boolean> {
  return Promise.all([stat(folder), access(folder, constants.W_OK | constants.X_OK)]).then(
    ([found]) => found.isDirectory(),
    () => false,
  );
}
