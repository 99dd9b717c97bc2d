import { type RawBuilder, sql } from 'kysely';
import { readSnapshot, type Transaction } from '../db/transaction.ts';
import { completeTo } from '../progress/contract-coverage.ts';
import { protocolsOf } from '../protocols/protocols.ts';
import type { Verification } from '../protocols/shared/verification.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import type { AsOf } from './as-of.ts';
import { type ChainComparison, comparePage, PAGE_KEYS_MAX, type Page, type PageStart } from './compare-chain.ts';
import { checkInvariants, compareState } from './compare-state.ts';
import type { Report } from './difference.ts';

/** The maximum number of anomalies that are listed for a contract. */
const ANOMALIES_MAX = 20;

/** The input of the verification of a contract. */
export type ContractVerification = ChainComparison & {
  /** The number of answers of each view function to compare. Undefined: all of them. */
  readonly sample: number | undefined;
  /** Chooses the block as of which the chain is asked. Undefined if the chain is not asked. */
  readonly asOf: AsOf | undefined;
  /** The block up to which no contract of the chain has a gap in its history. */
  readonly chainCompleteTo: number;
  /** The newest block of the database. */
  readonly head: number;
};

/**
 * Compares the facts of a contract with the chain's answers, its stored state with its facts, and its rows with the rules that they must
 * obey. Returns how many of the chain's answers were compared.
 */
export async function verifyContract(
  verification: ContractVerification,
  contract: RegisteredContract,
  report: Report,
  signal: AbortSignal,
): Promise<number> {
  const compared = await compareWithChain(verification, contract, report, signal);
  const isComplete = isCompleteTo(contract, verification.head);
  const invariants = isComplete ? (verificationAt(contract, verification.head)?.invariants ?? []) : [];
  const anomalies = verificationAt(contract, verification.head)?.anomalies;
  const { found, notes } = await readSnapshot(verification.database, async (tx) => ({
    found: [...(await compareState(tx, contract)), ...(await checkInvariants(tx, contract, invariants))],
    notes: anomalies === undefined ? [] : await listAnomalies(tx, anomalies(contract)),
  }));
  for (const difference of found) report.difference(difference);
  for (const note of notes) report.note(`${contract.kind} ${contract.address}: ${note}`);
  return compared;
}

/** Returns at most `ANOMALIES_MAX` anomalies of a contract. If there are more, the last text says how many. */
async function listAnomalies(
  tx: Transaction,
  anomalies: RawBuilder<{ readonly anomaly: string }>,
): Promise<readonly string[]> {
  const { rows } = await sql<{ anomaly: string; all: string }>`
    select anomaly, count(*) over () as all from (${anomalies}) found order by anomaly limit ${ANOMALIES_MAX}
  `.execute(tx);
  const more = Number(rows[0]?.all ?? 0) - rows.length;
  const texts = rows.map(({ anomaly }) => anomaly);
  return more === 0 ? texts : [...texts, `${more} more anomalies (view indexer.dividend_anomalies)`];
}

/** Compares the answers of a contract's view functions with its facts. Returns the number of answers compared. */
async function compareWithChain(
  verification: ContractVerification,
  contract: RegisteredContract,
  report: Report,
  signal: AbortSignal,
): Promise<number> {
  const { asOf } = verification;
  const block = asOf?.block;
  const name = `${contract.kind} ${contract.address}`;
  if (asOf === undefined || block === undefined) return 0;
  if (!isCompleteTo(contract, block)) {
    report.note(`${name} was not compared with the chain, because its history is incomplete`);
    return 0;
  }
  if ((await asOf.run((at) => verification.reader.hasCode(contract.address, at, signal), signal)) === false) {
    report.note(`${name} was not compared with the chain, because it has no code at block ${block}`);
    return 0;
  }
  let compared = 0;
  for (const question of verificationAt(contract, block)?.questions ?? []) {
    if (question.readsOthers === true && verification.chainCompleteTo < block) continue;
    const answers = await askQuestion(verification, asOf, { contract, question }, report, signal);
    if (answers === undefined) {
      report.note(`${name} was not compared with the chain: ${asOf.note}`);
      return compared;
    }
    compared += answers;
  }
  return compared;
}

/**
 * Compares a contract's answers to one question with its facts, and returns the number of answers compared. Returns undefined if no
 * endpoint has the chain's state as of a block that can be compared.
 */
async function askQuestion(
  verification: ContractVerification,
  asOf: AsOf,
  { contract, question }: Pick<Page, 'contract' | 'question'>,
  report: Report,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { sample = Number.POSITIVE_INFINITY } = verification;
  let compared = 0;
  let after: PageStart;
  do {
    signal.throwIfAborted();
    const rest = { contract, question, after, limit: Math.min(PAGE_KEYS_MAX, sample - compared) };
    const page = await asOf.run((block) => comparePage(verification, { ...rest, block }, signal), signal);
    if (page === undefined) return undefined;
    if (page.isUnanswered) report.note(`${contract.kind} ${contract.address} does not answer ${question.name}`);
    for (const difference of page.differences) report.difference(difference);
    compared += page.compared;
    after = page.next;
  } while (after !== undefined && compared < sample);
  return compared;
}

/** Returns how to verify a contract by the protocol (kind and ABI version) that it has at a block. Undefined if it has none. */
export function verificationAt(contract: RegisteredContract, block: number): Verification | undefined {
  return protocolsOf(contract).find(({ fromBlock, toBlock }) => fromBlock <= block && block <= toBlock)?.protocol
    .verification;
}

/** Returns whether a contract is followed and has no gap up to a block. Blocks before its deployment are not gaps. */
function isCompleteTo(contract: RegisteredContract, block: number): boolean {
  if (contract.status !== 'active') return false;
  return (contract.deployedAtBlock ?? 0) > block || (completeTo(contract, block) ?? -1) >= block;
}
