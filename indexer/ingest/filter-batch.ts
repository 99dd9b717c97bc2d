import type { DecodedBatch } from '../facts/fact-lists.ts';
import type { ContractKind, Hex } from '../kernel/chain.ts';

/** Returns the batch with only the facts of the contracts and blocks that `keep` accepts. `quarantined` stays as it is. */
export function filterBatch(
  { facts, quarantined }: DecodedBatch,
  keep: (kind: ContractKind, address: Hex, blockNumber: number) => boolean,
): DecodedBatch {
  const kept = facts.filter(({ contract, log }) => keep(contract.kind, contract.address, log.blockNumber));
  return { facts: kept, quarantined };
}
