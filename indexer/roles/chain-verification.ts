import type { ChainConfig, Config } from '../config/resolve.ts';
import { secretsOf } from '../config/secrets.ts';
import type { Database } from '../db/database.ts';
import { messageOf } from '../kernel/errors.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import { createRedact, shortenWallets } from '../observability/redact.ts';
import { readChain } from '../progress/chains.ts';
import { chainCompleteTo } from '../progress/contract-coverage.ts';
import { claimVerification, recordVerification } from '../progress/verifications.ts';
import { createSource, type SharedDeps } from '../source/source.ts';
import { type Difference, describeDifference, type Report } from '../verify/difference.ts';
import { SAMPLE_SIZE, SEED_LIMIT, verifyChain } from '../verify/verify.ts';

/** The number of differences that the status and the log show. */
const EXAMPLES_MAX = 10;

/** Dependencies of the scheduled verification of a chain. */
export type ChainVerificationInput = SharedDeps & {
  readonly config: Config;
  readonly chain: ChainConfig;
  readonly database: Database;
  readonly log: Logger;
  readonly runtime: Runtime;
};

/**
 * Compares a sample of the database with the chain if the configured interval since the last verification has passed. Limits its calls to
 * the rate of the prover. The first verification waits until the history of the chain is complete.
 */
export async function verifyIfDue(input: ChainVerificationInput, signal: AbortSignal): Promise<void> {
  const { chain, database } = input;
  const { chainId, verifyIntervalHours: intervalHours } = chain;
  const db = database.kysely;
  const { head, finalized } = await readChain(db, chainId);
  if (head === undefined || finalized === undefined) return;
  const begins = (await chainCompleteTo(db, chainId, head.number)) >= Math.min(head.number, finalized);
  if (await claimVerification(db, chainId, { intervalHours, begins })) await verifySample(input, signal);
}

async function verifySample(
  { config, chain, database, log, runtime, observe, meters }: ChainVerificationInput,
  signal: AbortSignal,
) {
  const { chainId, proof } = chain;
  const seed = Math.floor(runtime.random() * SEED_LIMIT);
  const examples: string[] = [];
  const logged: string[] = [];
  const report: Report = {
    note: (note) => log.debug({ chain: chainId, note }, 'verification skipped something'),
    difference: (difference) => {
      if (examples.length === EXAMPLES_MAX) return;
      examples.push(describeDifference(difference));
      logged.push(describeDifference(withShortWallets(difference)));
    },
  };
  const source = createSource({ ...chain, callsPerSecond: proof.callsPerSecond }, { ...runtime, observe, meters });
  const nothing = { block: null, seed, answers: 0, blocks: 0, differences: 0 };
  try {
    const sample = { contracts: undefined, sample: SAMPLE_SIZE, seed, block: undefined };
    const run = { ...sample, database, source, log, runtime, chainId, checksCoverage: false, repairs: false };
    const result = await verifyChain(run, report, signal);
    const { block, answers, blocks, differences } = result;
    await recordVerification(database.kysely, chainId, { ...result, examples, failedReason: null });
    const context = { chain: chainId, block, seed, answers, blocks, differences };
    if (differences > 0) log.error({ ...context, examples: logged }, 'verification found differences');
    else log.info(context, 'verification found no differences');
  } catch (error) {
    if (signal.aborted) throw error;
    const failedReason = createRedact(secretsOf(config))(messageOf(error));
    await recordVerification(database.kysely, chainId, { ...nothing, examples, failedReason });
    throw error;
  } finally {
    source.close();
  }
}

/** Shortens the wallets in a difference. The address of its contract stays whole. */
function withShortWallets({ key, stored, expected, ...difference }: Difference): Difference {
  const short = (value: string | null) => value && shortenWallets(value);
  return { ...difference, key: shortenWallets(key), stored: short(stored), expected: short(expected) };
}
