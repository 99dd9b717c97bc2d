import type { Database } from '../db/database.ts';
import { provableContracts } from '../ingest/provable-contracts.ts';
import type { Hex } from '../kernel/chain.ts';
import { messageOf, UsageError } from '../kernel/errors.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import { readChain } from '../progress/chains.ts';
import { chainCompleteTo, contractKey, coverageGaps } from '../progress/contract-coverage.ts';
import { callOf } from '../protocols/shared/questions.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import type { Source } from '../source/source.ts';
import { advanceStages, Stride } from '../stages/advance-stages.ts';
import { stages } from '../stages/stages.ts';
import { AsOf } from './as-of.ts';
import { compareBlock, sampleBlocks } from './check-receipts.ts';
import type { Difference, Report } from './difference.ts';
import { ViewReader } from './multicall.ts';
import { repairContract } from './repair.ts';
import { verifyContract } from './verify-contract.ts';

/** The default number of answers to compare for each view function, and of blocks to compare with their receipts. */
export const SAMPLE_SIZE = 200;
/** Random seeds are below this limit, so that they are short enough to type again. */
export const SEED_LIMIT = 2 ** 32;
/** The maximum number of differences of one contract that a repair looks at. */
const REPAIRED_DIFFERENCES_MAX = 10_000;
/** The maximum number of repairs of a contract. The contract is compared again after each repair. */
const REPAIRS_MAX = 4;

/** The input of a verification. */
export type VerifyInput = {
  readonly database: Database;
  /** Undefined if no endpoint is configured: then the chain is not asked. */
  readonly source: Source | undefined;
  readonly log: Logger;
  readonly runtime: Runtime;
  readonly chainId: number;
  /** The addresses of the contracts to verify. Undefined: all contracts of the chain. */
  readonly contracts: readonly Hex[] | undefined;
  /** The number of answers of each view function to compare. Undefined: all of them. */
  readonly sample: number | undefined;
  /** The seed that determines the sample. */
  readonly seed: number;
  /** The block as of which the chain is asked. If undefined, `chooseServedBlock` chooses the finalized block or else the newest one. */
  readonly block: number | undefined;
  /** Whether a gap in the history of a contract is a difference. */
  readonly checksCoverage: boolean;
  readonly repairs: boolean;
};

/** The result of a verification. */
export type VerifyResult = {
  readonly chainId: number;
  /** The block as of which the chain was last asked. Null if the chain was not asked. */
  readonly block: number | null;
  readonly seed: number;
  readonly contracts: number;
  /** The number of answers of view functions that were compared. */
  readonly answers: number;
  /** The number of blocks that were compared with their receipts. */
  readonly blocks: number;
  /** The number of differences found. */
  readonly differences: number;
  /** The number of facts that repairs added and removed. */
  readonly factsRepaired: number;
  /** The number of differences that are left after repairs. */
  readonly left: number;
};

/**
 * Verifies the mirror of a chain. Compares the values that follow from facts with the answers of the contracts, stored state with the state
 * that follows from facts, rows with the rules that they must obey, and the facts of some blocks with the receipts of these blocks. Reports
 * each difference as soon as it is found.
 *
 * @throws {UsageError} for a block or a contract that the database does not have, and for a repair without an endpoint
 */
export async function verifyChain(input: VerifyInput, report: Report, signal: AbortSignal): Promise<VerifyResult> {
  const run = new Run(input, report, signal);
  return run.verify();
}

class Run {
  readonly #input: VerifyInput;
  readonly #report: Report;
  readonly #signal: AbortSignal;
  readonly #reader: ViewReader;
  #answers = 0;
  #blocks = 0;
  #differences = 0;
  #left = 0;
  #hasRepaired = false;
  #factsRepaired = 0;

  constructor(input: VerifyInput, report: Report, signal: AbortSignal) {
    this.#input = input;
    this.#signal = signal;
    this.#reader = new ViewReader(input.source);
    this.#report = {
      note: report.note,
      difference: (difference) => {
        this.#differences += 1;
        report.difference(difference);
      },
    };
  }

  async verify(): Promise<VerifyResult> {
    const { database, source, chainId, seed, block, repairs } = this.#input;
    if (repairs && source === undefined) throw new UsageError(`no endpoint is configured for chain ${chainId}`);
    const contracts = await this.#contracts();
    const head = (await readChain(database.kysely, chainId)).head?.number;
    if (block !== undefined && block > (head ?? -1)) {
      throw new UsageError(
        `block ${block} is above the newest block of the database${head === undefined ? '' : `, which is ${head}`}`,
      );
    }
    const asOf = await this.#chooseBlock(contracts);
    if (head !== undefined) {
      if (this.#input.checksCoverage) await this.#checkCoverage(contracts, asOf?.block ?? head);
      await this.#verifyContracts(contracts, asOf, head);
      if (source !== undefined) await this.#compareReceipts(source, contracts, asOf?.block ?? head);
      if (this.#hasRepaired) await this.#advanceStages();
    }
    return {
      ...{ chainId, block: asOf?.block ?? null, seed, contracts: contracts.length, answers: this.#answers },
      ...{ blocks: this.#blocks, differences: this.#differences, factsRepaired: this.#factsRepaired, left: this.#left },
    };
  }

  async #contracts(): Promise<readonly RegisteredContract[]> {
    const { database, chainId, contracts: wanted } = this.#input;
    const all = await provableContracts(database.kysely, chainId);
    const unknown = wanted?.filter((address) => !all.some((contract) => contract.address === address)) ?? [];
    if (unknown.length > 0) throw new UsageError(`not followed on chain ${chainId}: ${unknown.join(', ')}`);
    return wanted === undefined ? all : all.filter(({ address }) => wanted.includes(address));
  }

  async #chooseBlock(contracts: readonly RegisteredContract[]): Promise<AsOf | undefined> {
    const { database, source, chainId, block: fixed } = this.#input;
    const [first] = contracts;
    if (first === undefined) return undefined;
    if (source === undefined) {
      this.#report.note(`no endpoint is configured for chain ${chainId}: the chain is not asked`);
      return undefined;
    }
    const probe = callOf('totalSupply()')(first.address, '');
    const asOf = new AsOf({ db: database.kysely, source, chainId, fixed, probe });
    await asOf.choose(this.#signal);
    if (asOf.note !== null) this.#report.note(asOf.note);
    return asOf;
  }

  async #checkCoverage(contracts: readonly RegisteredContract[], to: number): Promise<void> {
    const { database, chainId } = this.#input;
    const keys = new Set(contracts.map(contractKey));
    for (const gap of await coverageGaps(database.kysely, chainId, to)) {
      if (!keys.has(contractKey(gap))) continue;
      for (const range of gap.gaps) {
        this.#left += 1;
        this.#report.difference({
          ...{ comparison: 'rule', chainId, kind: gap.kind, contract: gap.address, table: 'indexer.contracts' },
          ...{ column: 'history has no gap', key: `${range.from}-${range.to}`, stored: null, expected: 'covered' },
          block: to,
        });
      }
    }
  }

  async #verifyContracts(contracts: readonly RegisteredContract[], asOf: AsOf | undefined, head: number) {
    const { database, chainId, sample, seed } = this.#input;
    const complete = await chainCompleteTo(database.kysely, chainId, head);
    const verification = { database, reader: this.#reader, sample, seed, asOf, chainCompleteTo: complete, head };
    for (const contract of contracts) {
      this.#signal.throwIfAborted();
      const found = new Found(this.#report);
      this.#answers += await verifyContract(verification, contract, found, this.#signal);
      const again = async (report: Report) => void (await verifyContract(verification, contract, report, this.#signal));
      this.#left += await this.#repair(contract, found, again);
    }
  }

  async #compareReceipts(source: Source, contracts: readonly RegisteredContract[], to: number): Promise<void> {
    const { database, chainId, sample = SAMPLE_SIZE, seed } = this.#input;
    if (contracts.length === 0) return;
    const all = { database, source, chainId, contracts };
    for (const block of await sampleBlocks(all, to, sample, seed)) {
      this.#signal.throwIfAborted();
      const found = new Found(this.#report);
      if (await compareBlock(all, block, found, this.#signal)) this.#blocks += 1;
      for (const [key, own] of Map.groupBy(found.differences, ({ kind, contract }) => `${kind} ${contract}`)) {
        const contract = contracts.find((candidate) => contractKey(candidate) === key);
        if (contract === undefined) continue;
        const comparison = { ...all, contracts: [contract] };
        const again = async (report: Report) => void (await compareBlock(comparison, block, report, this.#signal));
        this.#left += await this.#repair(contract, new Found(SILENT, own), again);
      }
    }
  }

  /** Repairs a contract if the input asks for repairs, and compares it again. Returns the number of differences that are left. */
  async #repair(
    contract: RegisteredContract,
    found: Found,
    compareAgain: (report: Report) => Promise<void>,
  ): Promise<number> {
    const { repairs, source, database, log, chainId } = this.#input;
    if (!repairs || source === undefined) return found.count;
    const deps = { database, source, log, chainId, reader: this.#reader };
    let left = found;
    for (let attempt = 1; attempt <= REPAIRS_MAX && left.count > 0; attempt++) {
      this.#hasRepaired = true;
      this.#factsRepaired += await repairContract(deps, contract, left.differences, this.#signal);
      left = new Found(SILENT);
      await compareAgain(left);
    }
    if (left.count > 0) {
      this.#report.note(`${contract.kind} ${contract.address}: ${left.count} differences could not be repaired`);
    }
    return left.count;
  }

  /** Advances the stages (derived state such as snapshots), because a repair unwinds them and perhaps no daemon is running. */
  async #advanceStages(): Promise<void> {
    const { database, chainId, runtime } = this.#input;
    for (const { name, error } of await advanceStages(database, { chainId, stages }, new Stride(runtime.now))) {
      this.#report.note(`stage ${name} failed: ${messageOf(error)}`);
    }
  }
}

const SILENT: Report = { note: () => undefined, difference: () => undefined };

/** A report that counts differences, passes them on to another report, and keeps the first `REPAIRED_DIFFERENCES_MAX` for a repair. */
class Found implements Report {
  readonly differences: Difference[] = [];
  count = 0;
  readonly #report: Report;

  constructor(report: Report, differences: readonly Difference[] = []) {
    this.#report = report;
    for (const difference of differences) this.difference(difference);
  }

  note(note: string): void {
    this.#report.note(note);
  }

  difference(difference: Difference): void {
    this.count += 1;
    if (this.differences.length < REPAIRED_DIFFERENCES_MAX) this.differences.push(difference);
    this.#report.difference(difference);
  }
}
