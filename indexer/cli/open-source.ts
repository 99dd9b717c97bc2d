import type { ChainConfig } from '../config/resolve.ts';
import { Aborted, messageOf } from '../kernel/errors.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Source } from '../source/source.ts';
import type { Session } from './session.ts';

/** How long a command waits for an answer that it can do without, from an endpoint or from the queue. */
export const HEAD_TIMEOUT_MS = 3_000;

/**
 * A source, which reads one chain through its endpoints and verifies their answers. `close` also records in the database how many calls or
 * compute units the command has spent of the monthly budgets of these endpoints.
 */
type OpenSource = Omit<Source, 'close'> & { close(): Promise<void> };

/** Opens a source for the requests of one command. The caller must close it. */
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

/**
 * Returns why a request to a chain failed. Takes the error `Aborted` to mean that no answer came within `HEAD_TIMEOUT_MS`. The text may
 * contain secrets.
 */
export function reasonOf(error: unknown, { variable }: ChainConfig): string {
  if (!(error instanceof Aborted)) return messageOf(error);
  return `${variable}: no answer within ${HEAD_TIMEOUT_MS / 1_000} s; check host and port of the URL, and firewalls in between`;
}
