import type { Abi } from 'viem';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { TOKEN } from '../../test/kit/interfaces.ts';
import {
  address,
  argument,
  type Decoded,
  keyOf,
  mapParallel,
  originOf,
  type Part,
  type Row,
  type Rows,
  type View,
} from './view.ts';

/** What a wallet holds of a token, and the earliest log that gave it any. */
export type Holding = { balance: bigint; acquired: Decoded | undefined };

/** Every wallet that `Transfer` logs name, but the zero address. */
export function holdingsOf(transfers: readonly Decoded[]): Map<Hex, Holding> {
  const holdings = new Map<Hex, Holding>();
  const change = (event: Decoded, wallet: Hex, delta: bigint): void => {
    if (wallet === ZERO_ADDRESS) return;
    const holding = holdings.get(wallet) ?? { balance: 0n, acquired: undefined };
    holding.balance += delta;
    if (delta > 0n) holding.acquired ??= event;
    holdings.set(wallet, holding);
  };
  for (const event of transfers) {
    change(event, address(event, 'from'), -argument(event, 'value'));
    change(event, address(event, 'to'), argument(event, 'value'));
  }
  return holdings;
}

/** Transfers, holders and supply of an ERC-20. */
export async function expectedToken(view: View, contract: Hex): Promise<Part> {
  const { events, undecodable } = await view.events(contract, TOKEN as Abi);
  const transfers: Rows = new Map();
  let supply = 0n;
  for (const event of events) {
    const [from, to, value] = [address(event, 'from'), address(event, 'to'), argument(event, 'value')];
    transfers.set(keyOf(event.log), { ...(await originOf(view, event.log)), from, to, value: String(value) });
    if (from === ZERO_ADDRESS) supply += value;
    if (to === ZERO_ADDRESS) supply -= value;
  }
  const holdings = holdingsOf(events);
  const holders: Rows = new Map();
  for (const [wallet, { balance, acquired }] of holdings) {
    holders.set(`${contract}:${wallet}`, { balance: String(balance), ...(await acquisition(view, acquired)) });
  }
  const holdersCount = [...holdings.values()].filter(({ balance }) => balance > 0n).length;
  const row = { total_supply: String(supply), holders_count: String(holdersCount) };
  return {
    tables: { token_transfers: transfers, token_holders: holders, artist_tokens: new Map([[contract, row]]) },
    undecodable,
    contradictions: await contradictions(view, contract, holdings, supply),
  };
}

/** When and by which transaction somebody first held some. */
export async function acquisition(view: View, event: Decoded | undefined): Promise<Row> {
  if (event === undefined) return { acquired_at: null, acquired_tx_hash: null };
  return { acquired_at: await view.timestamp(event.log.block), acquired_tx_hash: event.log.transactionHash };
}

/** The logs' balances and supply against `balanceOf` and `totalSupply`, for an ERC-20 or a pair's shares. */
export async function contradictions(
  view: View,
  contract: Hex,
  holdings: ReadonlyMap<Hex, Holding>,
  supply: bigint,
): Promise<string[]> {
  if (!view.isReadable(contract)) return [];
  const at = { address: contract, abi: TOKEN, blockNumber: BigInt(view.toBlock) } as const;
  const found = await mapParallel([...holdings], async ([wallet, { balance }]) => {
    const told = await view.client.readContract({ ...at, functionName: 'balanceOf', args: [wallet] });
    return told === balance ? [] : [`chain: ${contract} says that ${wallet} holds ${told}, its logs say ${balance}`];
  });
  const told = await view.client.readContract({ ...at, functionName: 'totalSupply' });
  if (told !== supply) found.push([`chain: ${contract} says that its supply is ${told}, its logs say ${supply}`]);
  return found.flat();
}
