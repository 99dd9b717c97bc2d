import type { ChainConfig } from '../config/resolve.ts';
import { Aborted, messageOf } from '../kernel/errors.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Source } from '../source/source.ts';

/** How long an endpoint may take to answer a command that can do without the answer. */
export const HEAD_TIMEOUT_MS = 3_000;

/** Opens a source for the requests of a command. The caller closes it. */
export async function openSource(chain: ChainConfig, runtime: Runtime): Promise<Source> {
  const { createSource } = await import('../source/source.ts');
  return createSource(chain, runtime);
}

/** Returns why a chain did not answer within `HEAD_TIMEOUT_MS`. May contain secrets. */
export function reasonOf(error: unknown, { variable }: ChainConfig): string {
  if (!(error instanceof Aborted)) return messageOf(error);
  return `${variable}: no answer within ${HEAD_TIMEOUT_MS / 1_000} s; check host and port of the URL, and firewalls in between`;
}
