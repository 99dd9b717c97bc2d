import type { Contract, Hex, RawLog } from '../../kernel/chain.ts';

/** What every fact knows of its origin. `timestamp` is its block's, in Unix seconds. */
export type Origin = {
  readonly contract: Contract;
  readonly log: RawLog;
  readonly timestamp: number;
};

/** An unsigned or signed integer of up to 256 bits in decimal digits, as PostgreSQL's `numeric` reads it. */
export type Decimal = string;

export type TransferType = 'mint' | 'transfer' | 'burn';

/** One token of a master changed hands (EIP-721 `Transfer`, or one token of an EIP-2309 `ConsecutiveTransfer`). */
export type NftTransfer = Origin & {
  readonly tokenId: Decimal;
  readonly from: Hex;
  readonly to: Hex;
  readonly type: TransferType;
  /** The price of the contract's own `Minted` of the same token and transaction, in wei; null where there is none. */
  readonly salePrice: Decimal | null;
  /** The zero address (native coin) where there is a price. */
  readonly saleCurrency: Hex | null;
};

/** An artist token moved (EIP-20 `Transfer`). */
type TokenTransfer = Origin & { readonly from: Hex; readonly to: Hex; readonly value: Decimal };

/** Liquidity was added or removed, or a swap was made; the amounts of a swap are signed from the pool's view. */
type PoolEvent = Origin & {
  readonly type: 'add_liquidity' | 'remove_liquidity' | 'swap';
  readonly amount0: Decimal;
  readonly amount1: Decimal;
  readonly sender: Hex;
  readonly recipient: Hex | null;
};

/** `currency` is a token's address; the zero address stands for the native coin. */
type DividendEvent = Origin & {
  readonly type: 'deposit' | 'distribution' | 'claim';
  readonly amount: Decimal;
  readonly currency: Hex;
  readonly perTokenAmount: Decimal | null;
  readonly claimant: Hex | null;
  readonly claimedTokenId: Decimal | null;
};

/** A paid claim; gas as its transaction's receipt tells. */
type DividendClaim = Origin & {
  readonly holder: Hex;
  readonly tokenId: Decimal;
  readonly amount: Decimal;
  readonly currency: Hex;
  readonly gasUsed: Decimal;
  readonly gasPrice: Decimal | null;
};

/** An event that has no table of its own; integers as decimal strings, addresses and bytes as lower-case hex. */
type ContractEvent = Origin & {
  readonly event: string;
  readonly arguments: Readonly<Record<string, string | boolean>>;
};

/** A log whose first topic the contract's ABI names and whose content does not fit it. */
type DeadLetter = Origin & { readonly reason: string };

/** The facts of one range, each list ordered by `(blockNumber, logIndex)` and, within a log, by token id. */
export type FactLists = {
  readonly nftTransfers: readonly NftTransfer[];
  readonly tokenTransfers: readonly TokenTransfer[];
  readonly poolEvents: readonly PoolEvent[];
  readonly dividendEvents: readonly DividendEvent[];
  readonly dividendClaims: readonly DividendClaim[];
  readonly contractEvents: readonly ContractEvent[];
  readonly deadLetters: readonly DeadLetter[];
};

/** A contract that cannot be indexed from `blockNumber` on; the batch holds no fact of it at or after that block. */
export type Quarantine = { readonly contract: Contract; readonly blockNumber: number; readonly reason: string };

export type DecodedBatch = FactLists & { readonly quarantined: readonly Quarantine[] };

/** What a claim's currency and gas are read from; `effectiveGasPrice` is null where the node does not tell. */
export type Receipt = {
  readonly gasUsed: bigint;
  readonly effectiveGasPrice: bigint | null;
  readonly logs: readonly RawLog[];
};
