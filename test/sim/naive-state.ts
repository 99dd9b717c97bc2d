import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { address, big } from './events.ts';
import { claimCurrencies, type Fact, type NftMove, nftMoves } from './naive-facts.ts';
import { isLpTransfer, type PlatformTokens, type Row, tokenKey, tokenRowId } from './naive-rows.ts';
import type { SimContract } from './world.ts';

/** The first three mints of a contract, by position and then token id. */
function firstMints(moves: readonly NftMove[]): NftMove[] {
  const mints = moves.filter(({ type }) => type === 'mint');
  mints.sort((a, b) => compare(a.position, b.position) || compare(a.tokenId, b.tokenId));
  return mints.slice(0, 3);
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A master's tokens: those that moved, and those whose row the platform wrote to. */
export function masterNftRows(contract: SimContract, facts: readonly Fact[], platform: PlatformTokens): Row[] {
  const moves = nftMoves(facts);
  const first = firstMints(moves);
  const ofToken = Map.groupBy(moves, ({ tokenId }) => String(tokenId));
  const prefix = tokenKey(contract.chainId, contract.address, '');
  const kept = [...platform.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  return [...new Set([...ofToken.keys(), ...kept])].map((tokenId) => {
    const itsMoves = ofToken.get(tokenId) ?? [];
    const mints = itsMoves.filter(({ type }) => type === 'mint');
    const [mint] = mints;
    const key = tokenKey(contract.chainId, contract.address, tokenId);
    const isFirst = (place: number) => String(String(first[place]?.tokenId) === tokenId);
    return {
      id: tokenRowId(key, platform),
      chain_id: String(contract.chainId),
      contract_address: contract.address,
      token_id: tokenId,
      master_id: contract.masterId,
      master_contract_id: contract.platformId,
      current_owner_wallet: itsMoves.at(-1)?.to ?? ZERO_ADDRESS,
      last_position: textOf(itsMoves.at(-1)?.position),
      original_minter_wallet: mint?.to ?? ZERO_ADDRESS,
      first_mint_position: textOf(mint?.position),
      mint_count: String(mints.length),
      mint_tx_hash: mint?.log.raw.transactionHash ?? null,
      minted_at_block: textOf(mint?.log.raw.blockNumber),
      minted_at: textOf(mint?.block.header.timestamp),
      mint_price_wei: textOf(mint?.price ?? undefined),
      is_first_minter: isFirst(0),
      is_second_minter: isFirst(1),
      is_third_minter: isFirst(2),
      listing_status: platform.get(key)?.listed === true ? 'listed' : 'not_listed',
    };
  });
}

export function masterContractRow(contract: SimContract, facts: readonly Fact[]): Row {
  const moves = nftMoves(facts);
  const first = firstMints(moves);
  const mints = moves.filter(({ type }) => type === 'mint');
  const burns = moves.filter(({ type }) => type === 'burn');
  const royalty = facts.findLast(({ event }) => event === 'DefaultRoyaltySet');
  return {
    chain_id: String(contract.chainId),
    contract_address: contract.address,
    first_minter_wallet: first[0]?.to ?? null,
    second_minter_wallet: first[1]?.to ?? null,
    third_minter_wallet: first[2]?.to ?? null,
    third_mint_position: textOf(first[2]?.position),
    contract_total_supply: String(mints.length - burns.length),
    minted_supply: String(new Set(mints.map(({ tokenId }) => tokenId)).size),
    contract_royalty_bps: textOf(royalty && big(royalty.log.body.args, 'feeNumerator')),
    royalty_position: textOf(royalty?.position),
  };
}

type Holding = { balance: bigint; readonly first: Fact; acquired: Fact | undefined };

/** What every wallet holds after some transfers of one token. */
function holdings(transfers: readonly Fact[]): Map<Hex, Holding> {
  const held = new Map<Hex, Holding>();
  const change = (wallet: Hex, amount: bigint, fact: Fact) => {
    if (wallet === ZERO_ADDRESS) return;
    const holding = held.get(wallet) ?? { balance: 0n, first: fact, acquired: undefined };
    holding.balance += amount;
    if (amount > 0n) holding.acquired ??= fact;
    held.set(wallet, holding);
  };
  for (const fact of transfers) {
    const { args } = fact.log.body;
    const value = big(args, 'value');
    change(address(args, 'from'), -value, fact);
    change(address(args, 'to'), value, fact);
  }
  return held;
}

export function tokenHolderRows(contract: SimContract, facts: readonly Fact[]): Row[] {
  return [...holdings(facts)].map(([wallet, { balance, first, acquired }]) => ({
    artist_token_id: contract.platformId,
    chain_id: String(contract.chainId),
    wallet_address: wallet,
    balance: String(balance),
    first_position: String(first.position),
    first_acquired_position: textOf(acquired?.position),
    first_acquired_at: textOf(acquired?.block.header.timestamp),
    first_acquired_tx_hash: acquired?.log.raw.transactionHash ?? null,
  }));
}

export function artistTokenRow(contract: SimContract, facts: readonly Fact[]): Row {
  let supply = 0n;
  for (const { log } of facts) {
    const { from, to } = log.body.args;
    if (from === ZERO_ADDRESS && to !== ZERO_ADDRESS) supply += big(log.body.args, 'value');
    if (to === ZERO_ADDRESS && from !== ZERO_ADDRESS) supply -= big(log.body.args, 'value');
  }
  return {
    chain_id: String(contract.chainId),
    contract_address: contract.address,
    total_supply: String(supply),
    holders_count: String([...holdings(facts).values()].filter(({ balance }) => balance > 0n).length),
  };
}

export function poolPositionRows(contract: SimContract, facts: readonly Fact[]): Row[] {
  return [...holdings(facts.filter(isLpTransfer))].map(([wallet, { balance, first, acquired }]) => ({
    liquidity_pool_id: contract.platformId,
    chain_id: String(contract.chainId),
    wallet_address: wallet,
    lp_token_balance: String(balance),
    first_position: String(first.position),
    entry_position: textOf(acquired?.position),
    entered_at: textOf(acquired?.block.header.timestamp),
    entry_tx_hash: acquired?.log.raw.transactionHash ?? null,
  }));
}

export function liquidityPoolRow(contract: SimContract, facts: readonly Fact[]): Row {
  const sync = facts.findLast(({ event }) => event === 'Sync');
  let supply = 0n;
  for (const { log } of facts.filter(isLpTransfer)) {
    const { from, to } = log.body.args;
    // The first mint sends 1000 from nobody to nobody, which counts.
    if (from === ZERO_ADDRESS) supply += big(log.body.args, 'value');
    else if (to === ZERO_ADDRESS) supply -= big(log.body.args, 'value');
  }
  return {
    chain_id: String(contract.chainId),
    pool_address: contract.address,
    reserve0: String(sync?.log.body.args.reserve0 ?? 0n),
    reserve1: String(sync?.log.body.args.reserve1 ?? 0n),
    reserve_position: textOf(sync?.position),
    lp_total_supply: String(supply),
  };
}

export function dividendContractRow(contract: SimContract, facts: readonly Fact[]): Row {
  const total = (event: string) =>
    facts
      .filter((fact) => fact.event === event && fact.log.body.args.token === ZERO_ADDRESS)
      .reduce((sum, { log }) => sum + big(log.body.args, 'amount'), 0n);
  return {
    chain_id: String(contract.chainId),
    contract_address: contract.address,
    total_revenue_deposited: String(total('RevenueDeposited')),
    total_dividends_distributed: String(total('DividendsDistributed')),
  };
}

/** The tokens that a dividend contract's claims name, by the position of the claim: the row that the stage links. */
export function claimedTokens(
  contract: SimContract,
  facts: readonly Fact[],
  masters: ReadonlyMap<SimContract, readonly Fact[]>,
  platform: PlatformTokens,
): Map<string, string> {
  const links = new Map<string, string>();
  const master = [...masters.keys()].find((candidate) =>
    contract.linkedMaster === null
      ? contract.masterId !== null && candidate.masterId === contract.masterId
      : candidate.address === contract.linkedMaster,
  );
  if (master === undefined) return links;
  const moved = new Set(nftMoves(masters.get(master) ?? []).map(({ tokenId }) => tokenId));
  for (const claim of claimCurrencies(facts).keys()) {
    const tokenId = big(claim.log.body.args, 'tokenId');
    if (!moved.has(tokenId)) continue;
    links.set(String(claim.position), tokenRowId(tokenKey(master.chainId, master.address, tokenId), platform));
  }
  return links;
}

function textOf(value: bigint | number | undefined): string | null {
  return value === undefined ? null : String(value);
}
