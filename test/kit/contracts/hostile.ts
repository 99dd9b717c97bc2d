import { encodeFunctionData, parseAbi } from 'viem';
import type { Hex } from '../../../indexer/kernel/chain.ts';
import type { Anvil, Receipt } from '../anvil-node.ts';
import { ownArtifact } from '../artifacts.ts';
import { type Deployed, deploy, executeOrThrow } from '../deploy.ts';

const NAMES = [
  'Emitter',
  'SilentToken',
  'EmptyToken',
  'Bytes32Token',
  'HugeToken',
  'NulToken',
  'InvalidUtf8Token',
] as const;

/** A contract of `Hostile.sol`. Each is also an `Emitter`. */
export type HostileName = (typeof NAMES)[number];

const EMITTER = parseAbi([
  'function emitLog(bytes32[] topics, bytes data)',
  'function emitLogs(bytes32[] topics, bytes data, uint256 times)',
]);
const EMIT_GAS = 25_000_000n;

/** Deploys every contract of `Hostile.sol`. */
export async function deployHostile(anvil: Anvil): Promise<Record<HostileName, Deployed>> {
  const deployed: Partial<Record<HostileName, Deployed>> = {};
  for (const name of NAMES) deployed[name] = await deploy(anvil, await ownArtifact(name));
  return deployed as Record<HostileName, Deployed>;
}

/** Makes a hostile contract emit a log, `times` times in one transaction. */
export async function emitLog(
  anvil: Anvil,
  emitter: Hex,
  { topics, data = '0x', times = 1 }: { topics: readonly Hex[]; data?: Hex; times?: number },
): Promise<Receipt> {
  const call = encodeFunctionData({ abi: EMITTER, functionName: 'emitLogs', args: [topics, data, BigInt(times)] });
  const [from] = anvil.accounts as [Hex];
  return executeOrThrow(anvil, { from, to: emitter, data: call, gas: EMIT_GAS });
}
