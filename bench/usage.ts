import { readdir, readFile } from 'node:fs/promises';

/** The unit in which Linux reports CPU time (`getconf CLK_TCK`, 100 on every architecture). */
const TICK_MS = 10;
const POLL_INTERVAL_MS = 50;

/** The CPU time and the peak memory of a process. */
export type Usage = { readonly cpuMs: number; readonly peakRssBytes: number };

/** Reads the usage of a process at intervals. `stop` returns the last reading, so that it can be called after the process exited. */
export function watchUsage(pid: number): { stop(): Usage } {
  let usage: Usage = { cpuMs: 0, peakRssBytes: 0 };
  const read = async () => {
    const [stat, status] = await Promise.all([readStat(pid), readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')]);
    const peakKb = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
    if (stat === undefined || peakKb === 0) return;
    usage = { cpuMs: stat.ownMs, peakRssBytes: peakKb * 1024 };
  };
  const timer = setInterval(() => void read(), POLL_INTERVAL_MS);
  return {
    stop() {
      clearInterval(timer);
      return usage;
    },
  };
}

/** Returns the CPU time of a process so far, in milliseconds; 0 if there is no such process. */
export async function cpuOf(pid: number): Promise<number> {
  return (await readStat(pid))?.ownMs ?? 0;
}

/** Returns the CPU time of a process, of its running children and of its former children: for a postmaster, of the whole server. */
export async function cpuOfTree(pid: number): Promise<number> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(names.map((name) => readStat(Number(name))));
  return stats.reduce((sum, stat) => {
    if (stat === undefined) return sum;
    if (stat.pid === pid) return sum + stat.ownMs + stat.childrenMs;
    return stat.parent === pid ? sum + stat.ownMs : sum;
  }, 0);
}

/** Returns the CPU time of all programs since the machine started, without idle time and time stolen by other virtual machines. */
export async function busyMs(): Promise<number> {
  const [all = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = all.split(/ +/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) * TICK_MS;
}

type Stat = { readonly pid: number; readonly parent: number; readonly ownMs: number; readonly childrenMs: number };

async function readStat(pid: number): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // Field 2 is the name of the program in parentheses and may contain spaces; field 3 follows the last parenthesis.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const number = (field: number) => Number(fields[field - 3]);
  return {
    pid,
    parent: number(4),
    ownMs: (number(14) + number(15)) * TICK_MS,
    childrenMs: (number(16) + number(17)) * TICK_MS,
  };
}
