import assert from 'node:assert/strict';
import { readChain } from '../../indexer/progress/chains.ts';
import { coverageGaps } from '../../indexer/progress/contract-coverage.ts';
import { recordDeployment } from '../../indexer/progress/contract-registration.ts';
import { proofProgress } from '../../indexer/progress/proof.ts';
import { loadContracts } from '../../indexer/registry/contracts.ts';
import { areStagesAtHead, settleStages } from '../kit/settle-stages.ts';
import { quarantinesIn } from './check.ts';
import type { DriveContext, Lane } from './drive-context.ts';
import { restoreAll } from './registry-changes.ts';
import { fillGaps, proveOnce, SimFollower } from './roles.ts';
import { keyOf } from './world.ts';

/** The number of steps after which a follower must have reached the tip. */
const STEPS_MAX = 200;

/** Finishes a history: announces all contracts, follows the last branch to its tip, fills every gap and checks the database. */
export async function finish(drive: DriveContext): Promise<void> {
  const { platform, history, random } = drive;
  drive.iposSettled = false;
  for (const contract of history.world.contracts) {
    if (!platform.announced.has(contract)) await platform.announce(contract, random);
  }
  for (const { id } of history.world.masters) if (!platform.ipos.has(id)) await platform.openIpo(id);
  for (const lane of drive.lanes) await finishLane(drive, lane);
  if (drive.options.lies === 'background') {
    await drive.check();
    for (const lane of drive.lanes) await proveAll(drive, lane);
  }
  await settleStages(drive.database, history.world.chainIds, drive.stride());
  drive.iposSettled = true;
  assert(await areStagesAtHead(drive.database.pool, history.world.chainIds), 'the stages do not reach the head');
  await drive.check(true, true);
  for (const lane of drive.lanes) await assertComplete(drive, lane);
}

async function finishLane(drive: DriveContext, lane: Lane): Promise<void> {
  const { database, random, history } = drive;
  const { node, chainId } = lane;
  const own = history.world.contracts.filter((contract) => contract.chainId === chainId);
  const { contracts } = await loadContracts(database.kysely, chainId);
  // Facts of a removed contract are not proved, so wrong facts from a lying node would remain.
  const restoresAll = !drive.options.detours || drive.options.lies === 'background';
  await restoreAll(drive, contracts, own, () => restoresAll || random.percent(60));
  for (const contract of contracts) {
    const deployedAt = own.find((candidate) => keyOf(candidate) === keyOf(contract))?.deployedAt;
    await recordDeployment(database.kysely, contract, deployedAt ?? 0);
  }
  const follower = new SimFollower(node, drive.tree);
  for (let steps = 0; ; steps++) {
    assert(steps < STEPS_MAX, 'the follower does not reach the tip');
    const step = await follower.look(database, random.between(1, 12));
    if (step.do !== 'wait') await follower.act(database, step);
    else if (node.isDone) break;
    else if (!node.reorg()) node.grow(random.between(1, 12));
  }
  // A fill may quarantine its contract, which then has no gaps.
  for (let rounds = 0; (await fillGaps(database, node)) > 0; rounds++) assert(rounds < 3, 'the gaps cannot be filled');
}

async function proveAll(drive: DriveContext, { chainId, node }: Lane): Promise<void> {
  const { database } = drive;
  for (let steps = 0; await proveOnce(database, node); steps++) assert(steps < STEPS_MAX, 'proving does not end');
  const { head } = await readChain(database.kysely, chainId);
  const scope = { chainId, from: 0, to: head?.number ?? -1, contracts: null };
  assert.equal((await proofProgress(database.kysely, scope)).blocksLeft, 0, 'covered blocks are not proved');
}

async function assertComplete({ database, history }: DriveContext, { chainId, node }: Lane): Promise<void> {
  const { head } = await readChain(database.kysely, chainId);
  assert.equal(head?.hash, node.header(node.height).hash);
  assert.deepEqual(await coverageGaps(database.kysely, chainId, node.height), []);
  const { contracts } = await loadContracts(database.kysely, chainId);
  for (const contract of contracts) {
    const own = history.world.contracts.find((candidate) => keyOf(candidate) === keyOf(contract));
    assert(own !== undefined, `${contract.kind} ${contract.address} is registered but not part of the history`);
    if (contract.status === 'removed') continue;
    const quarantined = own.kind === 'master' && node.branch.some((block) => quarantinesIn(block, own));
    assert.equal(contract.status, quarantined ? 'quarantined' : 'active', `${contract.kind} ${contract.address}`);
    if (quarantined) continue;
    const head = node.height;
    const covered = [
      ...contract.covered,
      ...(contract.liveFrom === null ? [] : [{ from: contract.liveFrom, to: head }]),
    ];
    for (let block = own.deployedAt; block <= head; block++) {
      assert(
        covered.some(({ from, to }) => from <= block && block <= to),
        `${contract.kind} ${contract.address} does not cover block ${block}`,
      );
    }
  }
}
