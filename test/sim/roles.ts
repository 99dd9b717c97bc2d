import { pino } from 'pino';
import type { Database } from '../../indexer/db/database.ts';
import { followedContracts } from '../../indexer/follower/followed-contracts.ts';
import type { FollowedContracts } from '../../indexer/follower/follower-deps.ts';
import { commitFill, type FillCommit, type FillPiece } from '../../indexer/ingest/commit-fill.ts';
import { commitHead, commitStart, type HeadCommit } from '../../indexer/ingest/commit-head.ts';
import { unwindTo } from '../../indexer/ingest/unwind-to.ts';
import { HeadMoved } from '../../indexer/kernel/errors.ts';
import { type ChainState, readChain } from '../../indexer/progress/chains.ts';
import { checkpointAt } from '../../indexer/progress/checkpoints.ts';
import { coverageGaps } from '../../indexer/progress/contract-coverage.ts';
import { Prover } from '../../indexer/proof/prover.ts';
import { loadContracts } from '../../indexer/registry/contracts.ts';
import { prepareContracts } from '../../indexer/registry/prepare.ts';
import type { BlockTree } from './check.ts';
import type { SimNode } from './node.ts';
import type { Random } from './random.ts';

/** The next step of a follower. */
export type Step =
  | { readonly do: 'start'; readonly seen: ChainState }
  | { readonly do: 'unwind'; readonly seen: ChainState; readonly to: number }
  | { readonly do: 'commit'; readonly commit: HeadCommit }
  | { readonly do: 'wait' };

/** A follower like the program's. It caches the contracts until it learns that they changed. */
export class SimFollower {
  readonly #node: SimNode;
  readonly #tree: BlockTree;
  #cached: FollowedContracts | undefined;

  constructor(node: SimNode, tree: BlockTree) {
    this.#node = node;
    this.#tree = tree;
  }

  /** Drops the cached contracts, as after a notification or a restart. */
  forget(): void {
    this.#cached = undefined;
  }

  /** Compares the database with the node and returns the next step, with its blocks fetched. */
  async look(database: Database, blocks: number): Promise<Step> {
    const seen = await readChain(database.kysely, this.#node.chain.chainId);
    const { head } = seen;
    if (head === undefined) return { do: 'start', seen };
    const ancestor = this.#node.ancestorOf(this.#tree.branchTo(head.hash));
    if (ancestor < Math.min(head.number, this.#node.height)) return { do: 'unwind', seen, to: ancestor };
    if (this.#node.height <= head.number) return { do: 'wait' };
    const followed = await this.#contracts(database, seen);
    const to = Math.min(this.#node.height, head.number + blocks);
    const { range, batch } = await this.#node.read(followed.contracts, seen, head.number + 1, to);
    const finalized = Math.min(this.#node.finalized, to);
    return { do: 'commit', commit: { seen, range, batch, finalized, joining: followed.joining } };
  }

  /** Performs a step. Any failure drops the cached contracts. */
  async act(database: Database, step: Step): Promise<void> {
    try {
      await this.#perform(database, step);
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  async #perform(database: Database, step: Step): Promise<void> {
    switch (step.do) {
      case 'wait':
        return;
      case 'start': {
        const first = this.#node.header(Math.min(this.#node.finalized, this.#node.height));
        return commitStart(database, step.seen, first, first.number);
      }
      case 'unwind': {
        const { chainId } = this.#node.chain;
        const { number, hash } = this.#node.header(step.to);
        await unwindTo(database, { chainId, to: { number, hash }, reason: 'reorg', seen: step.seen });
        return;
      }
      case 'commit':
        await commitHead(database, step.commit);
        if (step.commit.joining.length > 0 || step.commit.batch.quarantined.length > 0) this.forget();
    }
  }

  async #contracts(database: Database, seen: ChainState): Promise<FollowedContracts> {
    if (this.#cached?.liveVersion !== seen.liveVersion) {
      const followed = await followedContracts(database, seen.chainId);
      if (followed.liveVersion !== seen.liveVersion) throw new HeadMoved('the set of followed contracts changed');
      this.#cached = followed;
    }
    return this.#cached;
  }
}

/** Draws a range of history, covered or not, and fetches it for some contracts. Returns null if there is no range to draw. */
export async function drawFill(
  database: Database,
  node: SimNode,
  tree: BlockTree,
  random: Random,
): Promise<FillCommit | null> {
  const { chainId } = node.chain;
  const seen = await readChain(database.kysely, chainId);
  if (seen.head === undefined) return null;
  await prepareContracts(database, chainId);
  const contracts = (await loadContracts(database.kysely, chainId)).contracts.filter(({ prepared }) => prepared);
  const top = Math.min(seen.head.number, node.height);
  const gaps = await coverageGaps(database.kysely, chainId, top);
  const gap = random.percent(60) && gaps.length > 0 ? random.pick(gaps) : undefined;
  const stretch = gap === undefined ? { from: 0, to: top } : random.pick(gap.gaps);
  const from = random.percent(30) ? stretch.from : random.between(stretch.from, stretch.to);
  let to = random.percent(30) ? stretch.to : Math.min(stretch.to, from + random.below(8));
  // A range from another branch than the head's is only detected if there is a checkpoint at its end. Otherwise end at the ancestor.
  const ancestor = node.ancestorOf(tree.branchTo(seen.head.hash));
  if (to > ancestor && (await checkpointAt(database.kysely, chainId, to)) === undefined) to = ancestor;
  if (to < from || contracts.length === 0) return null;
  const asked = random.percent(40) ? contracts : random.some(contracts);
  const named = asked.filter(
    ({ kind, address }) => gap === undefined || random.percent(50) || (kind === gap.kind && address === gap.address),
  );
  if (named.length === 0) return null;
  // Sometimes fetch several pieces, which are committed in one transaction.
  const cuts = [from, ...Array.from({ length: random.below(3) }, () => random.between(from, to))];
  const starts = [...new Set(cuts)].sort((a, b) => a - b);
  const pieces: FillPiece[] = [];
  for (const [at, start] of starts.entries()) {
    pieces.push({ seen, ...(await node.read(named, seen, start, (starts[at + 1] ?? to + 1) - 1)) });
  }
  const contractKeys = named.map(({ kind, address, fingerprint }) => ({ kind, address, fingerprint }));
  const rest = pieces.splice(random.between(1, pieces.length));
  const following = async () => rest.splice(0, random.between(1, 2));
  return { pieces, contracts: contractKeys, following, end: to };
}

/** Proves one piece of a chain. Returns false if there was nothing to prove. */
export function proveOnce(database: Database, node: SimNode): Promise<boolean> {
  const { chainId } = node.chain;
  const prover = new Prover({
    database,
    source: node.source,
    log: pino({ enabled: false }),
    runtime: { now: () => performance.now(), random: Math.random },
    redact: (text) => text,
    scope: { chainId, from: 0, to: Number.MAX_SAFE_INTEGER, contracts: null },
    callsPerSecond: 1_000,
  });
  return prover.step(new AbortController().signal);
}

/** Fills every gap, and returns the number of contracts that had gaps. */
export async function fillGaps(database: Database, node: SimNode): Promise<number> {
  const { chainId } = node.chain;
  const seen = await readChain(database.kysely, chainId);
  if (seen.head === undefined) return 0;
  const { contracts } = await followedContracts(database, chainId);
  const gaps = await coverageGaps(database.kysely, chainId, seen.head.number);
  for (const { kind, address, gaps: stretches } of gaps) {
    const contract = contracts.find((candidate) => candidate.kind === kind && candidate.address === address);
    if (contract === undefined) continue;
    for (const { from, to } of stretches) {
      const pieces = [{ seen, ...(await node.read([contract], seen, from, to)) }];
      await commitFill(database, { pieces, contracts: [{ kind, address, fingerprint: contract.fingerprint }] });
    }
  }
  return gaps.length;
}
