import { spawn } from 'node:child_process';

/** Waits for the line `done`. If standard input ends before, since the parent process has died, kills the process. */
const SCRIPT = 'read -r order; [ "$order" = done ] || { kill -KILL "$1"; rm -rf "$2"; }';

/**
 * Starts a small process that kills another process and deletes its directory when this process dies, even by SIGKILL.
 *
 * @returns a function that ends the small process
 */
export function watchOver(pid: number, directory: string): () => void {
  const watchman = spawn('/bin/sh', ['-c', SCRIPT, 'sh', String(pid), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watchman.stdin.on('error', () => undefined);
  return () => void watchman.stdin.end('done\n');
}
