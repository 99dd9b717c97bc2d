import type { Kysely } from 'kysely';
import type { DB } from '../db/schema.ts';
import { messageOf } from '../kernel/errors.ts';
import { type Backoff, Retry } from '../kernel/retry.ts';
import type { Runtime } from '../kernel/runtime.ts';
import type { Logger } from '../observability/log.ts';
import { readChain } from '../progress/chains.ts';
import { recordDeployment, recordDeploymentRead, recordUnknownDeployment } from '../progress/contract-registration.ts';
import type { ChainReader } from '../protocols/shared/chain-reader.ts';
import { mapLimit } from '../rpc/concurrency.ts';
import { loadContracts, type RegisteredContract } from './contracts.ts';
import { confirmDeployment, findDeployment } from './deployment.ts';
import { saveDeployment } from './deployment-columns.ts';
import { type Found, refreshMetadata } from './metadata.ts';

/** Dependencies of `ContractReader`. */
export type EnrichDeps = {
  readonly db: Kysely<DB>;
  readonly chainId: number;
  readonly reader: ChainReader;
  readonly log: Logger;
  readonly runtime: Runtime;
};

/** The number of contracts that are read at the same time, so that a slow answer about one contract does not delay the others. */
const CONTRACTS_IN_FLIGHT = 4;
/** The pause before a contract is read again after the endpoints failed, or while it has no code yet. */
const RETRY_BACKOFF: Backoff = { baseMs: 15_000, maxMs: 300_000 };
/**
 * The pause after the endpoints answered, but their answers proved nothing. Later they may serve the state of more blocks, or more
 * endpoints may be configured.
 */
const UNSETTLED_RETRY_MS = 3_600_000;

/** Whether deployment blocks were found or corrected, and whether the set of contracts that can be followed may have changed. */
export type Enriched = { readonly deploymentFound: boolean; readonly identityChanged: boolean };

type Outcome = 'settled' | 'unsettled' | 'absent';
type Pause = { readonly retry: Retry; until: number };

/**
 * Reads from the chain what the registry lacks: the deployment block of each contract, the time and transaction of its deployment,
 * whether it is what it was registered as, and its name, symbol or tokens. A contract that cannot be read is logged and skipped. The
 * `ContractReader` remembers when to try it again.
 */
export class ContractReader {
  readonly #deps: EnrichDeps;
  /** When each task is next tried for each contract that could not be read. */
  readonly #pauses = new Map<string, Pause>();

  constructor(deps: EnrichDeps) {
    this.#deps = deps;
  }

  /** Reads every contract that lacks something and whose pause is over. Throws only if the registry cannot be read. */
  async read(head: number, signal: AbortSignal): Promise<Enriched> {
    const { db, chainId } = this.#deps;
    const { contracts } = await loadContracts(db, chainId);
    const readable = contracts.filter(isReadable);
    let identityChanged = false;
    let deploymentFound = false;
    const unidentified = readable.filter(({ metadataRead, identityNote }) => !metadataRead || identityNote !== null);
    await mapLimit(unidentified, CONTRACTS_IN_FLIGHT, signal, (contract) =>
      this.#attempt('identity', contract, signal, async () => {
        const found = await refreshMetadata(db, this.#deps.reader, contract, head, signal);
        if (found?.isNews === true) identityChanged = true;
        return this.#outcomeOf(contract, found);
      }),
    );
    const reader = withStateFloor(this.#deps.reader, head);
    const unknown = readable.filter(({ deployedAtBlock, status }) => deployedAtBlock === null && status === 'active');
    await mapLimit(unknown, CONTRACTS_IN_FLIGHT, signal, (contract) =>
      this.#attempt('deployment', contract, signal, async () => {
        const outcome = await this.#findDeployment(reader, contract, head, signal);
        if (outcome === 'settled') deploymentFound = true;
        return outcome;
      }),
    );
    // Read only finalized deployments: a reorg above the finalized block could move a deployment into another block.
    const { finalized = -1 } = await readChain(db, chainId);
    const unread = readable.filter(
      ({ deployedAtBlock, deploymentRead }) =>
        !deploymentRead && deployedAtBlock !== null && deployedAtBlock <= finalized,
    );
    await mapLimit(unread, CONTRACTS_IN_FLIGHT, signal, (contract) =>
      this.#attempt('deployment details', contract, signal, async () => {
        const outcome = await this.#readDeployment(reader, contract, Math.min(head, finalized), signal);
        if (outcome === 'corrected') deploymentFound = true;
        return outcome === 'corrected' ? 'settled' : outcome;
      }),
    );
    return { deploymentFound, identityChanged };
  }

  #outcomeOf({ kind, address, chainId: chain, identityNote }: RegisteredContract, found: Found | null): Outcome {
    if (found === null) return 'absent';
    if (found.note === null) return 'settled';
    if (found.note !== identityNote) {
      const context = { chain, kind, address, reason: `it ${found.note}` };
      const { log } = this.#deps;
      if (found.speaks === null)
        log.warn(context, 'contract possibly does not speak its protocol: it is followed all the same');
      else {
        const advice = `correct its row, or remove it with: indexer contracts remove ${address} --chain ${chain}`;
        log.warn({ ...context, advice }, 'contract does not speak its protocol: it is quarantined');
      }
    }
    return 'unsettled';
  }

  async #findDeployment(
    reader: ChainReader,
    contract: RegisteredContract,
    head: number,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { db, log } = this.#deps;
    const deployment = await findDeployment(reader, contract.address, head, signal);
    if (deployment.found === 'at') {
      await recordDeployment(db, contract, deployment.block);
      return 'settled';
    }
    if (deployment.found === 'nothing') return 'absent';
    if (deployment.because === contract.deploymentNote) return 'unsettled';
    const { kind, address, chainId: chain } = contract;
    const advice = 'add an archive endpoint, or give the block with `indexer contracts add … --from-block N`';
    log.warn({ chain, kind, address, reason: deployment.because, advice }, 'deployment block of a contract unknown');
    await recordUnknownDeployment(db, contract, deployment.because);
    return 'unsettled';
  }

  /** Fills the platform's columns about a contract's deployment. Returns `corrected` if the deployment is older than the recorded block. */
  async #readDeployment(
    reader: ChainReader,
    contract: RegisteredContract,
    finalized: number,
    signal: AbortSignal,
  ): Promise<Outcome | 'corrected'> {
    const { db, log } = this.#deps;
    const given = contract.deployedAtBlock ?? 0;
    const deployment = await confirmDeployment(reader, contract.address, { given, head: finalized }, signal);
    if (deployment.found !== 'at') return 'unsettled';
    const { block, transaction } = deployment;
    const former = await saveDeployment(db, contract, deployment);
    const isProved = transaction !== null;
    await recordDeploymentRead(db, contract, isProved ? block : null);
    const { kind, address, chainId: chain } = contract;
    if (former !== undefined)
      log.warn({ chain, kind, address, block, transaction, former }, 'deployment block of a contract corrected');
    return isProved && block < given ? 'corrected' : 'settled';
  }

  /** Runs a task about a contract, unless the pause after an earlier attempt is not over yet. Never throws. */
  async #attempt(
    task: string,
    { kind, address, platformId }: RegisteredContract,
    signal: AbortSignal,
    work: () => Promise<Outcome>,
  ): Promise<void> {
    const { runtime, log, chainId: chain } = this.#deps;
    const key = `${task} ${kind} ${address} ${platformId}`;
    const pause = this.#pauses.get(key) ?? { retry: new Retry(RETRY_BACKOFF, runtime.random), until: 0 };
    if (signal.aborted || (this.#pauses.has(key) && runtime.now() < pause.until)) return;
    this.#pauses.set(key, pause);
    try {
      const outcome = await work();
      if (outcome === 'settled') this.#pauses.delete(key);
      else pause.until = runtime.now() + (outcome === 'absent' ? pause.retry.failed() : UNSETTLED_RETRY_MS);
    } catch (error) {
      if (signal.aborted) return;
      const retryInMs = pause.retry.failed();
      pause.until = runtime.now() + retryInMs;
      const context = { chain, kind, address, task, retryInMs, reason: messageOf(error), err: error };
      log.warn(context, `reading the ${task} of a contract failed`);
    }
  }
}

/**
 * Returns whether a contract is to be read from the chain: an active contract, or one that was quarantined for another reason than a log.
 * New answers may show that a quarantined contract is what it was registered as.
 */
function isReadable({ status, quarantinedAtBlock }: RegisteredContract): boolean {
  return status === 'active' || (status === 'quarantined' && quarantinedAtBlock === null);
}

/**
 * Returns a reader that remembers the highest block below `head` whose state no endpoint served. It does not ask for the state of that
 * block or a lower one again.
 */
function withStateFloor(reader: ChainReader, head: number): ChainReader {
  let floor = -1;
  return {
    ...reader,
    async codeAt(address, block, signal) {
      if (block <= floor) return 'no state';
      const answer = await reader.codeAt(address, block, signal);
      if (answer === 'no state' && block < head) floor = Math.max(floor, block);
      return answer;
    },
  };
}
