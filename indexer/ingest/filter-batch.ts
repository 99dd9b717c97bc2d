import type { ContractKind, Hex } from '../kernel/chain.ts';
import type { DecodedBatch, Origin } from '../protocols/shared/decoded-batch.ts';

/** The batch with only the facts of the contracts and blocks that `keep` wants; `quarantined` stays as it is. */
export function filterBatch(
  batch: DecodedBatch,
  keep: (kind: ContractKind, address: Hex, blockNumber: number) => boolean,
): DecodedBatch {
  const kept = <Fact extends Origin>(facts: readonly Fact[]): readonly Fact[] =>
    facts.filter(({ contract, log }) => keep(contract.kind, contract.address, log.blockNumber));
  return {
    nftTransfers: kept(batch.nftTransfers),
    tokenTransfers: kept(batch.tokenTransfers),
    poolEvents: kept(batch.poolEvents),
    dividendEvents: kept(batch.dividendEvents),
    dividendClaims: kept(batch.dividendClaims),
    contractEvents: kept(batch.contractEvents),
    deadLetters: kept(batch.deadLetters),
    quarantined: batch.quarantined,
  };
}
