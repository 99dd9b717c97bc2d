import type { ChainConfig } from '../config/resolve.ts';
import { Aborted, messageOf } from '../kernel/errors.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Source } from '../source/source.ts';
import type { Session } from './session.ts';

/** How long an endpoint may take to answer a command that can do without the answer. */
export const HEAD_TIMEOUT_MS = 3_000;

/** A source of a command. `close` also records what was spent at endpoints with a monthly budget. */
type OpenSource = Omit<Source, 'close'> & { close(): Promise<void> };

/** Opens a source for the requests of a command. The caller closes it. */
export async function openSource(
  chain: ChainConfig,
  session: Pick<Session, 'database' | 'log'>,
  runtime: Runtime,
): Promise<OpenSource> {
  const [{ createSource }, { createMeters }, { recordSpending }] = await Promise.all([
    import('../source/source.ts'),
    import('../rpc/meter.ts'),
    import('../roles/record-spending.ts'),
  ]);
  const meters = createMeters(chain.rpcUrls, runtime.now);
  const source = createSource(chain, { ...runtime, meters });
  const stopRecording = recordSpending(session, [{ chainId: chain.chainId, meters }]);
  return {
    ...source,
    close() {
      source.close();
      return stopRecording();
    },
  };
}

/** Returns why a chain did not answer within `HEAD_TIMEOUT_MS`. May contain secrets. */
export function reasonOf(error: unknown, { variable }: ChainConfig): string {
  if (!(error instanceof Aborted)) return messageOf(error);
  return `${variable}: no answer within ${HEAD_TIMEOUT_MS / 1_000} s; check host and port of the URL, and firewalls in between`;
}
