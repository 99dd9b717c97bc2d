import type { Abi } from 'viem';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { PAIR } from '../../test/kit/interfaces.ts';
import { acquisition, contradictions, holdingsOf } from './tokens.ts';
import {
  address,
  argument,
  contractEvents,
  type Decoded,
  keyOf,
  originOf,
  type Part,
  type Row,
  type Rows,
  type View,
} from './view.ts';

/** Liquidity, swaps, reserves and shares of a Uniswap V2 pair. */
export async function expectedPool(view: View, contract: Hex): Promise<Part> {
  const { events, undecodable } = await view.events(contract, PAIR as Abi);
  const poolEvents: Rows = new Map();
  for (const event of events) {
    const row = poolEvent(event);
    if (row !== undefined) poolEvents.set(keyOf(event.log), { ...(await originOf(view, event.log)), ...row });
  }
  const shares = events.filter(({ name }) => name === 'Transfer');
  const holdings = holdingsOf(shares);
  const positions: Rows = new Map();
  for (const [wallet, { balance, acquired }] of holdings) {
    positions.set(`${contract}:${wallet}`, { balance: String(balance), ...(await acquisition(view, acquired)) });
  }
  const sync = events.findLast(({ name }) => name === 'Sync');
  const reserves = [
    sync === undefined ? 0n : argument(sync, 'reserve0'),
    sync === undefined ? 0n : argument(sync, 'reserve1'),
  ];
  const supply = shares.reduce((sum, event) => sum + supplyChange(event), 0n);
  const row = { reserve0: String(reserves[0]), reserve1: String(reserves[1]), lp_total_supply: String(supply) };
  const others = events.filter(({ name }) => name === 'Sync' || name === 'Transfer');
  return {
    tables: {
      pool_events: poolEvents,
      pool_positions: positions,
      liquidity_pools: new Map([[contract, row]]),
      contract_events: await contractEvents(view, others),
    },
    undecodable,
    contradictions: [
      ...(await contradictions(view, contract, holdings, supply)),
      ...(await reserveContradictions(view, contract, reserves)),
    ],
  };
}

/** The last `Sync` against `getReserves`. */
async function reserveContradictions(view: View, contract: Hex, reserves: readonly bigint[]): Promise<string[]> {
  if (!view.isReadable(contract)) return [];
  const told = await view.client.readContract({
    ...{ address: contract, abi: PAIR, functionName: 'getReserves', blockNumber: BigInt(view.toBlock) },
  });
  if (told[0] === reserves[0] && told[1] === reserves[1]) return [];
  return [`chain: ${contract} says that its reserves are ${told}, its logs say ${reserves}`];
}

/** The shares of the first mint that go from zero to zero are minted and locked, not burnt. */
function supplyChange(event: Decoded): bigint {
  if (address(event, 'from') === ZERO_ADDRESS) return argument(event, 'value');
  return address(event, 'to') === ZERO_ADDRESS ? -argument(event, 'value') : 0n;
}

function poolEvent(event: Decoded): Row | undefined {
  const amount = (name: string): string => String(argument(event, name));
  if (event.name === 'Mint') {
    return { type: 'add_liquidity', amount0: amount('amount0'), amount1: amount('amount1'), ...parties(event, false) };
  }
  if (event.name === 'Burn') {
    return {
      type: 'remove_liquidity',
      amount0: amount('amount0'),
      amount1: amount('amount1'),
      ...parties(event, true),
    };
  }
  if (event.name !== 'Swap') return undefined;
  const net = (at: 0 | 1): string => String(argument(event, `amount${at}In`) - argument(event, `amount${at}Out`));
  return { type: 'swap', amount0: net(0), amount1: net(1), ...parties(event, true) };
}

function parties(event: Decoded, hasRecipient: boolean): Row {
  return { sender: address(event, 'sender'), recipient: hasRecipient ? address(event, 'to') : null };
}
