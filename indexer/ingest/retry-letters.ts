import { HeadMoved, messageOf, StaleRange } from '../kernel/errors.ts';
import { type BlockRange, contains, union } from '../kernel/ranges.ts';
import { type Backoff, backoffMs } from '../kernel/retry.ts';
import { sleep } from '../kernel/sleep.ts';
import { contractKey } from '../progress/contract-coverage.ts';
import { findLetters, type LogLetter } from '../progress/dead-letter-rows.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import { provableContracts } from './provable-contracts.ts';
import { type BlockRepairDeps, repairBlocks } from './repair-blocks.ts';

/** The cause that `indexer.repairs` shows for repairs of blocks with dead letters. */
const CAUSE = 'dead-letters';
/**
 * The maximum number of attempts to repair the blocks of letters while the node and the database are on different branches. After the last
 * attempt, the next blocks are repaired.
 */
const ATTEMPTS_MAX = 4;
const BACKOFF: Backoff = { baseMs: 250, maxMs: 5_000 };

/** The result of a retry of dead letters. */
export type RetriedLetters = {
  /** The number of dead letters that no longer exist: their logs were decoded, or their blocks were unwound. */
  readonly gone: number;
  /** The dead letters that are left, with the reason why. The reason may contain secrets of an endpoint. */
  readonly kept: readonly LogLetter[];
};

/**
 * Tries again to decode the logs in dead letters. Whole blocks are read, from their receipts, because a fact may need the timestamp of
 * its block, the receipt of its transaction, and other logs of its block. For each contract and each run of consecutive blocks, one
 * transaction writes the facts, derives state and deletes the letters, like any repair. A letter that still cannot be decoded stays.
 *
 * It may run beside a daemon and beside another call of itself. A letter whose block is being unwound is tried again after the unwind.
 */
export async function retryLetters(
  deps: BlockRepairDeps & { readonly random: () => number },
  letters: readonly LogLetter[],
  signal: AbortSignal,
): Promise<RetriedLetters> {
  const { database, chainId } = deps;
  const contracts = new Map(
    (await provableContracts(database.kysely, chainId)).map((contract) => [contractKey(contract), contract]),
  );
  const failures = new Map<string, string>();
  const fail = (failed: readonly LogLetter[], reason: string) => {
    for (const { id } of failed) failures.set(id, reason);
  };
  for (const [key, own] of Map.groupBy(letters, keyOf)) {
    const contract = contracts.get(key);
    if (contract === undefined) {
      fail(own, 'this program does not follow the contract, or another version of it read the history');
      continue;
    }
    for (const blocks of union(own.map(({ block }) => ({ from: block, to: block })))) {
      const reason = await decodeBlocks(deps, contract, blocks, signal);
      if (reason === undefined) continue;
      fail(
        own.filter(({ block }) => contains([blocks], block)),
        reason,
      );
    }
  }
  const left = await findLetters(database.kysely, { ids: letters.map(({ id }) => id) }, letters.length);
  const kept = left.flatMap((letter) =>
    letter.kind === 'log' ? [{ ...letter, reason: failures.get(letter.id) ?? letter.reason }] : [],
  );
  return { gone: letters.length - kept.length, kept };
}

/** Reads blocks again from their receipts and writes the facts that differ. Returns why this failed, or undefined if it succeeded. */
async function decodeBlocks(
  { random, ...deps }: BlockRepairDeps & { readonly random: () => number },
  contract: RegisteredContract,
  { from, to }: BlockRange,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      await repairBlocks(deps, { from, to, contracts: [contract], cause: CAUSE, endpoints: [] }, signal);
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      const isTemporary = error instanceof StaleRange || error instanceof HeadMoved;
      if (!isTemporary || attempt === ATTEMPTS_MAX) return messageOf(error);
      await sleep(backoffMs(attempt, BACKOFF, random), signal);
    }
  }
}

function keyOf({ contract, contractKind }: LogLetter): string {
  return contractKey({ address: contract, kind: contractKind });
}
