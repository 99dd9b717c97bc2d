import type { ChainConfig } from '../config/resolve.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Source } from '../source/source.ts';

/** Opens a source for the requests of a command. The caller closes it. */
export async function openSource(chain: ChainConfig, runtime: Runtime): Promise<Source> {
  const { createSource } = await import('../source/source.ts');
  return createSource(chain, runtime);
}
