import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/**
 * CPU time that a process has used, all its threads together, in ns. From the scheduler's own account of each thread; where the kernel keeps
 * none, user and system time of the process in clock ticks of mostly 10 ms. Throws when the process is gone.
 */
export function cpuTime(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)[0]))
      .reduce((sum, ns) => sum + ns, 0);
  } catch {
    return ticksOf(readFileSync(`/proc/${pid}/stat`, 'utf8')) * nsPerTick();
  }
}

/** Of `/proc/PID/stat`, utime and stime (proc(5)), in clock ticks. The second field is a name in brackets that may hold anything. */
export function ticksOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** Resident memory of a process, bytes. */
export function residentMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

let tick: number | undefined;

function nsPerTick(): number {
  tick ??= 1e9 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return tick;
}
