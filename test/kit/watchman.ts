import { spawn } from 'node:child_process';

/** Shell script that waits for the line `done`. If the parent process dies first, kills a process and deletes its directory. */
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
