import { type Abi, decodeFunctionData, type Hex, type PublicClient, zeroAddress } from 'viem';
import { DIVIDENDS, EPOCH_DIVIDENDS, MASTER, PAIR, TOKEN } from '../interfaces.ts';
import { mapParallel } from '../map-parallel.ts';
import { paysBySnapshot } from './dividends.ts';
import type { Row, Tables } from './fact-rows.ts';
import type { OracleContract } from './facts.ts';

/** Returns a sentence for each call to a contract at a block whose result contradicts the contract's logs. */
export async function findContradictions(
  client: PublicClient,
  block: number,
  tables: Tables,
  contracts: readonly OracleContract[],
): Promise<string[]> {
  const found: string[] = [];
  for (const contract of contracts) {
    const { kind, address } = contract;
    const rows = (table: string) => (tables.get(table) ?? []).filter((row) => row.contract === address);
    const call = callerOf(client, address, BigInt(block));
    if (kind === 'master') found.push(...(await ownerContradictions(call, address, rows('master_nfts'))));
    if (kind === 'artist_token') {
      found.push(...(await balanceContradictions(call, address, rows('token_holders'), 'balance')));
      found.push(...(await supplyContradictions(call, address, rows('artist_tokens')[0]?.total_supply)));
    }
    if (kind === 'pool') {
      const [pool] = rows('liquidity_pools');
      found.push(...(await balanceContradictions(call, address, rows('pool_positions'), 'lp_token_balance')));
      found.push(...(await supplyContradictions(call, address, pool?.lp_total_supply)));
      found.push(...(await reserveContradictions(call, address, pool)));
    }
    if (kind === 'dividend' && paysBySnapshot(contract)) {
      found.push(...(await epochContradictions(call, address, rows('wallet_dividend_balances'))));
    } else if (kind === 'dividend') {
      found.push(...(await currencyContradictions(client, address, rows('dividend_claims'))));
    }
  }
  return found;
}

type Call = <T>(abi: Abi, functionName: string, args?: readonly unknown[]) => Promise<T>;

function callerOf(client: PublicClient, address: Hex, blockNumber: bigint): Call {
  return async <T>(abi: Abi, functionName: string, args: readonly unknown[] = []) =>
    (await client.readContract({ address, abi, functionName, args, blockNumber })) as T;
}

/** Compares owners. `ownerOf` reverts for a burnt token. */
async function ownerContradictions(call: Call, contract: Hex, rows: readonly Row[]): Promise<string[]> {
  const found = await mapParallel(rows, async ({ token_id: tokenId, current_owner_wallet: owner }) => {
    const read = await call<Hex>(MASTER, 'ownerOf', [BigInt(tokenId ?? 0)]).catch(() => zeroAddress);
    if (read.toLowerCase() === owner) return [];
    return [`chain: ${contract} says that ${read} owns ${tokenId}, but its logs say ${owner}`];
  });
  return found.flat();
}

async function balanceContradictions(
  call: Call,
  contract: Hex,
  rows: readonly Row[],
  column: 'balance' | 'lp_token_balance',
): Promise<string[]> {
  const found = await mapParallel(rows, async ({ wallet_address: wallet, [column]: balance }) => {
    const read = await call<bigint>(TOKEN, 'balanceOf', [wallet]);
    if (String(read) === balance) return [];
    return [`chain: ${contract} says that ${wallet} holds ${read}, but its logs say ${balance}`];
  });
  return found.flat();
}

async function supplyContradictions(call: Call, contract: Hex, supply: string | null | undefined): Promise<string[]> {
  const read = String(await call<bigint>(TOKEN, 'totalSupply'));
  return read === supply ? [] : [`chain: ${contract} says that its supply is ${read}, but its logs say ${supply}`];
}

async function reserveContradictions(call: Call, contract: Hex, pool: Row | undefined): Promise<string[]> {
  const [reserve0, reserve1] = await call<readonly bigint[]>(PAIR, 'getReserves');
  const [read, logged] = [`${reserve0},${reserve1}`, `${pool?.reserve0},${pool?.reserve1}`];
  return read === logged ? [] : [`chain: ${contract} says that its reserves are ${read}, but its logs say ${logged}`];
}

/** Compares the amounts that holders may claim, summed over all epochs, with `totalClaimable`. */
async function epochContradictions(call: Call, contract: Hex, rows: readonly Row[]): Promise<string[]> {
  const found = await mapParallel(rows, async ({ wallet_address: wallet, claimable_amount: claimable }) => {
    const read = await call<bigint>(EPOCH_DIVIDENDS, 'totalClaimable', [wallet]);
    if (String(read) === claimable) return [];
    return [`chain: ${contract} says that ${wallet} may claim ${read}, but its logs say ${claimable}`];
  });
  return found.flat();
}

/** Compares the currency that a claim's transaction requests with the one that the oracle infers from the payments in its logs. */
async function currencyContradictions(client: PublicClient, contract: Hex, claims: readonly Row[]): Promise<string[]> {
  const found = await mapParallel(claims, async ({ tx_hash: hash, log_index: logIndex, currency }) => {
    const { input } = await client.getTransaction({ hash: hash as Hex });
    const { functionName, args } = decodeFunctionData({ abi: DIVIDENDS, data: input });
    const requested = functionName === 'claimToken' ? args[0].toLowerCase() : zeroAddress;
    if (requested === currency) return [];
    return [
      `chain: ${contract} was called to pay ${requested} (log ${logIndex} of ${hash}), but its logs say ${currency}`,
    ];
  });
  return found.flat();
}
