import type { Abi } from 'viem';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { MASTER } from '../../test/kit/interfaces.ts';
import {
  address,
  argument,
  contractEvents,
  type Decoded,
  keyOf,
  mapParallel,
  originOf,
  type Part,
  type Row,
  type Rows,
  type View,
} from './view.ts';

const MOVERS = ['first', 'second', 'third'] as const;

type Movement = { readonly event: Decoded; readonly tokenId: bigint; readonly from: Hex; readonly to: Hex };
type Token = { owner: Hex; mint: Row | undefined };

/** Transfers, tokens and mint order of an ERC-721 contract. */
export async function expectedMaster(view: View, contract: Hex): Promise<Part> {
  const { events, undecodable } = await view.events(contract, MASTER as Abi);
  const prices = new Map<string, string>();
  for (const event of events.filter(({ name }) => name === 'Minted')) {
    prices.set(`${event.log.transactionHash}:${argument(event, 'tokenId')}`, String(argument(event, 'price')));
  }
  const transfers: Rows = new Map();
  const tokens = new Map<bigint, Token>();
  const mints: { readonly tokenId: bigint; readonly to: Hex }[] = [];
  for (const { event, tokenId, from, to } of events.flatMap(movementsOf)) {
    const type = transferType(from, to);
    const price = type === 'mint' ? (prices.get(`${event.log.transactionHash}:${tokenId}`) ?? null) : null;
    const currency = price === null ? null : ZERO_ADDRESS;
    const origin = await originOf(view, event.log);
    const row = { ...origin, token_id: String(tokenId), from, to, type, price, currency };
    transfers.set(keyOf(event.log, tokenId), row);
    const token = tokens.get(tokenId) ?? { owner: ZERO_ADDRESS, mint: undefined };
    tokens.set(tokenId, token);
    token.owner = to;
    if (type !== 'mint') continue;
    mints.push({ tokenId, to });
    token.mint ??= { ...row, block: String(event.log.block) };
  }
  const others = events.filter(({ name }) => name !== 'Transfer' && name !== 'ConsecutiveTransfer');
  const tables = {
    nft_transfers: transfers,
    master_nfts: tokenRows(contract, tokens, mints),
    master_contracts: new Map([[contract, contractRow(events, mints)]]),
    contract_events: await contractEvents(view, others),
  };
  return { tables, undecodable, contradictions: await contradictions(view, contract, tokens) };
}

function movementsOf(event: Decoded): Movement[] {
  if (event.name === 'Transfer') {
    return [{ event, tokenId: argument(event, 'tokenId'), from: address(event, 'from'), to: address(event, 'to') }];
  }
  if (event.name !== 'ConsecutiveTransfer') return [];
  const [from, to] = [address(event, 'fromAddress'), address(event, 'toAddress')];
  const movements: Movement[] = [];
  for (let tokenId = argument(event, 'fromTokenId'); tokenId <= argument(event, 'toTokenId'); tokenId += 1n) {
    movements.push({ event, tokenId, from, to });
  }
  return movements;
}

function transferType(from: Hex, to: Hex): 'mint' | 'burn' | 'transfer' {
  if (from === ZERO_ADDRESS && to !== ZERO_ADDRESS) return 'mint';
  return to === ZERO_ADDRESS && from !== ZERO_ADDRESS ? 'burn' : 'transfer';
}

function tokenRows(contract: Hex, tokens: Map<bigint, Token>, mints: readonly { tokenId: bigint }[]): Rows {
  const rows: Rows = new Map();
  for (const [tokenId, { owner, mint }] of tokens) {
    rows.set(`${contract}:${tokenId}`, {
      owner,
      minter: mint?.to ?? ZERO_ADDRESS,
      mint_tx_hash: mint?.tx_hash ?? null,
      minted_at_block: mint?.block ?? null,
      minted_at: mint?.block_timestamp ?? null,
      mint_price: mint?.price ?? null,
      ...Object.fromEntries(MOVERS.map((mover, at) => [mover, String(mints[at]?.tokenId === tokenId)])),
    });
  }
  return rows;
}

function contractRow(events: readonly Decoded[], mints: readonly { tokenId: bigint; to: Hex }[]): Row {
  const royalty = events.findLast(({ name }) => name === 'DefaultRoyaltySet');
  return {
    ...Object.fromEntries(MOVERS.map((mover, at) => [mover, mints[at]?.to ?? null])),
    royalty_bps: royalty === undefined ? null : String(argument(royalty, 'feeNumerator')),
    minted_supply: String(new Set(mints.map(({ tokenId }) => tokenId)).size),
  };
}

/** The logs' owners against `ownerOf`, which reverts for a token that is burnt. */
async function contradictions(view: View, contract: Hex, tokens: Map<bigint, Token>): Promise<string[]> {
  if (!view.isReadable(contract)) return [];
  const found = await mapParallel([...tokens], async ([tokenId, { owner }]) => {
    const call = { address: contract, abi: MASTER, functionName: 'ownerOf', args: [tokenId] } as const;
    const told = await view.client
      .readContract({ ...call, blockNumber: BigInt(view.toBlock) })
      .catch(() => ZERO_ADDRESS);
    if (told.toLowerCase() === owner) return [];
    return [`chain: ${contract} says that ${told} owns ${tokenId}, its logs say ${owner}`];
  });
  return found.flat();
}
