import { deadLetters } from '../facts/dead-letters.ts';
import type { FactTable, StateTable, TableDescription } from '../facts/fact-table.ts';
import type { Fold } from '../facts/fold.ts';
import type { AbiUpgrade, ContractKind } from '../kernel/chain.ts';
import { dividendV1, dividendV2, dividendV3 } from './dividend/protocol.ts';
import { erc20V1 } from './erc20/protocol.ts';
import { erc721cV1 } from './erc721c/protocol.ts';
import type { Protocol } from './protocol.ts';
import { uniswapV2 } from './uniswap-v2/protocol.ts';

/** Every protocol in every version. */
export const protocols: readonly Protocol[] = [erc721cV1, erc20V1, uniswapV2, dividendV1, dividendV2, dividendV3];

/** Every table of facts, in the order in which commits write to them: first tables for one kind of contract, then shared tables. */
export const factTables: readonly FactTable[] = [
  ...new Set([...protocols.flatMap((protocol) => protocol.factTables), deadLetters]),
].sort((a, b) => Number(a.kind === null) - Number(b.kind === null));

/** Returns the tables that can hold facts of a kind of contract. */
export function factTablesOf(kind: ContractKind): readonly FactTable[] {
  return factTables.filter((table) => table.kind === kind || table.kind === null);
}

/** The tables of facts that the first fill of an empty database writes. If one of them has a row, the database is already in use. */
export const loadedTables: readonly FactTable[] = factTables.filter(({ statistics }) => statistics.length > 0);

/** Every table of state. */
export const stateTables: readonly StateTable[] = [...new Set(protocols.flatMap((protocol) => protocol.stateTables))];

/** Every table of facts and every table of state. */
export const describedTables: readonly TableDescription[] = [...factTables, ...stateTables];

/**
 * Every fold, in the order in which a commit applies them. An unwind runs them in reverse order. Folds that write the platform's rows of
 * contracts come last, so that a commit holds the locks of these rows only for a short time.
 */
export const folds: readonly Fold[] = [...new Set(protocols.flatMap((protocol) => protocol.folds))].sort(
  (a, b) => Number(a.writes[0]?.isPlatformRow === true) - Number(b.writes[0]?.isPlatformRow === true),
);

/** The ABI version of a contract for which neither the platform nor an operator specified one. */
export const DEFAULT_ABI_VERSION = '1.0';

/** The properties of a contract that determine its protocols. */
export type ProtocolSelector = {
  readonly kind: ContractKind;
  readonly abiVersion: string;
  /** The value of the column `pool_type`. Undefined or null for a contract that is not a pool. */
  readonly poolType?: string | null | undefined;
  /** The ABI versions that replaced `abiVersion`, ordered by the block from which they apply. */
  readonly upgrades?: readonly AbiUpgrade[];
};

/** An ABI version of a contract, and the range of blocks whose logs it decodes, both ends included. */
export type AbiVersionRange = { readonly abiVersion: string; readonly fromBlock: number; readonly toBlock: number };

/** Returns the ABI versions of a contract, ordered by block. Most contracts have one version for all blocks. */
export function abiVersionsOf({
  abiVersion,
  upgrades = [],
}: Pick<ProtocolSelector, 'abiVersion' | 'upgrades'>): readonly AbiVersionRange[] {
  const starts = [{ fromBlock: 0, abiVersion }, ...upgrades];
  return starts.map((start, index) => ({
    ...start,
    toBlock: (starts[index + 1]?.fromBlock ?? Number.POSITIVE_INFINITY) - 1,
  }));
}

/** Returns the protocols of a contract, each with the range of blocks that it decodes. Leaves out ABI versions that are not known. */
export function protocolsOf(
  contract: ProtocolSelector,
): readonly (AbiVersionRange & { readonly protocol: Protocol })[] {
  return abiVersionsOf(contract).flatMap((range) => {
    const chosen = chooseProtocol({ ...contract, abiVersion: range.abiVersion });
    return 'protocol' in chosen ? [{ ...range, protocol: chosen.protocol }] : [];
  });
}

/** Returns the ABI versions that this program knows for a kind of contract. */
export function knownAbiVersions(kind: ContractKind): readonly string[] {
  return [...new Set(protocols.filter((protocol) => protocol.kind === kind).map(({ version }) => version))];
}

/** Returns the protocol of a contract. If there is none, returns the reason in one line. */
export function chooseProtocol({
  kind,
  abiVersion,
  poolType,
}: ProtocolSelector): { readonly protocol: Protocol } | { readonly refusal: string } {
  const ofKind = protocols.filter((protocol) => protocol.kind === kind);
  const candidates =
    poolType === undefined || poolType === null
      ? ofKind
      : ofKind.filter(({ poolTypes }) => poolTypes?.includes(poolType) === true);
  if (candidates.length === 0) {
    return { refusal: `pools of type ${poolType} are not supported (supported: ${supportedPoolTypes().join(', ')})` };
  }
  const protocol = candidates.find(({ version }) => version === abiVersion);
  if (protocol !== undefined) return { protocol };
  const known = [...new Set(candidates.map(({ version }) => version))];
  return { refusal: `unknown ABI version ${abiVersion} (known: ${known.join(', ')})` };
}

/** Returns the values of the column `pool_type` that some protocol supports. */
export function supportedPoolTypes(): readonly string[] {
  return [...new Set(protocols.flatMap(({ poolTypes }) => poolTypes ?? []))];
}
