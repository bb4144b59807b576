import { codeOf } from '../../../policies/fault.ts';
import type { Answer } from '../port.ts';
import type { Core } from './core.ts';

/** The answer where deciding failed. A Fault is one of the ways that things go; anything else is told as a defect. */
export function undecided({ defect }: Pick<Core, 'defect'>, error: unknown): Answer {
  if (codeOf(error) === 'internal') defect(error);
  return { status: 500 };
}
