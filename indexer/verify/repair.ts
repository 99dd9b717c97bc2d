import { rebuildState } from '../ingest/rebuild-state.ts';
import { type BlockRepairDeps, repairBlocks } from '../ingest/repair-blocks.ts';
import { type BlockRange, union } from '../kernel/ranges.ts';
import type { Question } from '../protocols/shared/verification.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import { agrees, answerOf, expectedFor } from './compare-chain.ts';
import type { Difference } from './difference.ts';
import type { ViewReader } from './multicall.ts';
import { isStateMissing } from './served-block.ts';
import { verificationAt } from './verify-contract.ts';

/** The value of `cause` in `indexer.repairs` for repairs by `indexer verify`. */
const CAUSE = 'verify';
/** If facts and chain still differ after a repair, the next repair reads this many times as many blocks. */
const WIDENING_FACTOR = 4;

/** Dependencies of a repair. */
export type RepairDeps = BlockRepairDeps & { readonly reader: ViewReader };

/** Answers by which a contract says that it has nothing for a key, such as a balance of 0 or the zero address as owner. */
const NOTHING = new Set(['0', '0 0', `0x${'0'.repeat(40)}`]);

/**
 * Repairs a contract in which differences were found. Blocks whose facts differ from the chain are read again from their receipts. If
 * the stored state differs, it is derived again from facts.
 *
 * @returns the number of facts changed
 */
export async function repairContract(
  deps: RepairDeps,
  contract: RegisteredContract,
  differences: readonly Difference[],
  signal: AbortSignal,
): Promise<number> {
  const repair = async (blocks: BlockRange) => {
    const request = { ...blocks, contracts: [contract], cause: CAUSE, endpoints: [] };
    return (await repairBlocks(deps, request, signal)).changed;
  };
  let changed = 0;
  for (const blocks of union(differences.flatMap(({ blocks }) => blocks ?? []))) changed += await repair(blocks);
  const ofChain = differences.filter(({ comparison }) => comparison === 'chain');
  if (ofChain.length > 0) changed += await repairFromChain(deps, contract, ofChain, repair, signal);
  if (differences.some(({ comparison }) => comparison === 'state' || comparison === 'rule')) {
    await rebuildState(deps.database, contract);
  }
  return changed;
}

/**
 * Repairs, for each difference from the chain's answers, blocks from the first one on as of which facts and chain differ. Repeats this
 * until facts and chain agree, until a repair changes nothing, or until all blocks of the contract were read.
 */
async function repairFromChain(
  deps: RepairDeps,
  contract: RegisteredContract,
  differences: readonly Difference[],
  repair: (blocks: BlockRange) => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  let changed = 0;
  let blocks = 1;
  for (const difference of differences) {
    const end = difference.block ?? 0;
    while (!(await agreesAt(deps, contract, difference, end, signal))) {
      signal.throwIfAborted();
      const first = await firstWrongBlock(deps, contract, difference, signal);
      const range =
        first === undefined
          ? { from: contract.deployedAtBlock ?? 0, to: end }
          : { from: first, to: Math.min(end, first + blocks - 1) };
      const facts = await repair(range);
      changed += facts;
      // No other repair can help: the receipts confirm the facts, or all blocks of the contract were read.
      if (facts === 0 || (first === undefined && range.to === end)) break;
      blocks *= WIDENING_FACTOR;
    }
  }
  return changed;
}

/**
 * Returns the first block as of which facts and chain differ about the key of a difference. Searches by bisection and assumes that they
 * agree before the contract's first block. Returns undefined if no endpoint has the chain's state as of a block that the search needs.
 */
async function firstWrongBlock(
  deps: RepairDeps,
  contract: RegisteredContract,
  difference: Difference,
  signal: AbortSignal,
): Promise<number | undefined> {
  let agreed = (contract.deployedAtBlock ?? 0) - 1;
  let differs = difference.block ?? agreed;
  try {
    while (differs - agreed > 1) {
      signal.throwIfAborted();
      const middle = Math.floor((agreed + differs) / 2);
      if (await agreesAt(deps, contract, difference, middle, signal)) agreed = middle;
      else differs = middle;
    }
    return differs;
  } catch (error) {
    if (isStateMissing(error)) return undefined;
    throw error;
  }
}

async function agreesAt(
  { database, reader }: RepairDeps,
  contract: RegisteredContract,
  { column, key }: Difference,
  block: number,
  signal: AbortSignal,
): Promise<boolean> {
  const question = questionOf(contract, block, column);
  if (question === undefined) return true;
  const value = (await expectedFor(database, { contract, question, block }, [key])).get(key);
  const [answer] = await reader.read([question.call(contract.address, key)], block, signal);
  const read = answerOf(question, answer ?? 'reverted');
  if (read === undefined || NOTHING.has(read)) return value === undefined || NOTHING.has(value);
  return agrees(question, value, read);
}

function questionOf(contract: RegisteredContract, block: number, name: string): Question | undefined {
  return verificationAt(contract, block)?.questions.find((question) => question.name === name);
}
