import type { Database } from '../db/database.ts';
import type { Logger } from '../observability/log.ts';
import { addSpending } from '../progress/endpoint-spending.ts';
import type { Meter } from '../rpc/meter.ts';
import type { MonthlyBudget } from '../rpc/monthly-budget.ts';
import { repeat } from './repeat.ts';

const SAVE_INTERVAL_MS = 30_000;

type RecordDeps = { readonly database: Pick<Database, 'kysely'>; readonly log: Logger };

/** A chain, and the meters of its endpoints in the order of the configuration. */
type MeteredChain = { readonly chainId: number; readonly meters: readonly (Meter | undefined)[] };

/**
 * Adds what this process spends at endpoints with a monthly budget to the total of all processes in the database, at once and then every
 * 30 s. Warns when 80 % of a budget is spent, and when all of it is spent. While the database does not answer, counts stay in memory.
 *
 * @returns a function that ends the recording and then records the rest. Its promise never rejects.
 */
export function recordSpending({ database, log }: RecordDeps, chains: readonly MeteredChain[]): () => Promise<void> {
  const budgets = chains.flatMap(({ chainId, meters }) =>
    meters.flatMap((meter) => (meter?.budget === undefined ? [] : [{ chainId, budget: meter.budget }])),
  );

  async function save(): Promise<void> {
    if (!budgets.some(({ budget }) => budget.needsSaving)) return;
    const adding = budgets.map((one) => ({ ...one, added: one.budget.unsaved }));
    const totals = await addSpending(
      database.kysely,
      adding.map(({ budget, added }) => ({ ...budget.account, ...added })),
    );
    for (const { chainId, budget, added } of adding) {
      const { host, keyHash } = budget.account;
      const total = totals.find((one) => one.host === host && one.keyHash === keyHash);
      if (total !== undefined) warn(log, chainId, budget, budget.saved(added, total));
    }
  }

  const stopping = new AbortController();
  const task = { task: 'recording what endpoints have spent', intervalMs: SAVE_INTERVAL_MS };
  const recording = repeat(task, log, save, stopping.signal);
  return async () => {
    stopping.abort();
    await recording;
    await save().catch((error: unknown) =>
      log.warn({ err: error }, 'the numbers of calls to endpoints could not be stored'),
    );
  };
}

function warn(
  log: Logger,
  chain: number,
  { endpoint }: MonthlyBudget,
  state: ReturnType<MonthlyBudget['state']>,
): void {
  if (state === undefined) return;
  const isSpent = state.spent >= state.limit;
  const message = isSpent
    ? 'all of the monthly budget of an endpoint is spent'
    : '80 % of the monthly budget of an endpoint is spent';
  log.warn({ chain, endpoint, ...state }, message);
}
