import { spawn } from 'node:child_process';

/** Reads until the order `done`, or the end that comes when our process has died. */
const SCRIPT = 'read -r order; [ "$order" = done ] || { kill -KILL "$1"; rm -rf "$2"; }';

/**
 * Ends a process and removes its files when ours dies, in whatever way: a small process of its own waits for that.
 *
 * @returns calls it off
 */
export function watchOver(pid: number, directory: string): () => void {
  const watchman = spawn('/bin/sh', ['-c', SCRIPT, 'sh', String(pid), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watchman.stdin.on('error', () => undefined);
  return () => void watchman.stdin.end('done\n');
}
