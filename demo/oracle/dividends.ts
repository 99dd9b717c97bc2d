import { type Abi, decodeFunctionData } from 'viem';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { DIVIDENDS } from '../../test/kit/interfaces.ts';
import {
  address,
  argument,
  type Decoded,
  keyOf,
  originOf,
  type Part,
  type Row,
  type Rows,
  text,
  type View,
} from './view.ts';

/**
 * Deposits, distributions and claims of a dividend contract. The currency of a claim is told by what its transaction called,
 * which the indexer does not read: it goes by the payments that the receipt shows.
 */
export async function expectedDividends(view: View, contract: Hex): Promise<Part> {
  const { events, undecodable } = await view.events(contract, DIVIDENDS as Abi);
  const facts: Rows = new Map();
  const claims: Rows = new Map();
  const totals = { deposited: 0n, distributed: 0n };
  for (const event of events) {
    const currency = await currencyOf(view, event);
    const amount = argument(event, 'amount');
    const origin = await originOf(view, event.log);
    facts.set(keyOf(event.log), { ...origin, amount: String(amount), currency, ...details(event) });
    if (event.name === 'DividendClaimed')
      claims.set(keyOf(event.log), await claim(view, event, { ...origin, currency }));
    if (currency !== ZERO_ADDRESS) continue;
    if (event.name === 'RevenueDeposited') totals.deposited += amount;
    if (event.name === 'DividendsDistributed') totals.distributed += amount;
  }
  const row = { deposited: String(totals.deposited), distributed: String(totals.distributed) };
  return {
    tables: { dividend_events: facts, dividend_claims: claims, dividend_contracts: new Map([[contract, row]]) },
    undecodable,
    contradictions: [],
  };
}

function details(event: Decoded): Row {
  if (event.name === 'RevenueDeposited') return { type: 'deposit', per_token: null, claimant: null, token_id: null };
  if (event.name === 'DividendsDistributed') {
    return {
      type: 'distribution',
      per_token: String(argument(event, 'perTokenAmount')),
      claimant: null,
      token_id: null,
    };
  }
  const [claimant, tokenId] = [address(event, 'holder'), String(argument(event, 'tokenId'))];
  return { type: 'claim', per_token: null, claimant, token_id: tokenId };
}

async function currencyOf(view: View, event: Decoded): Promise<string> {
  if (event.name !== 'DividendClaimed') return address(event, 'token');
  const { input } = await view.client.getTransaction({ hash: event.log.transactionHash });
  const call = decodeFunctionData({ abi: DIVIDENDS, data: input });
  return call.functionName === 'claimToken' ? text(call.args[0]) : ZERO_ADDRESS;
}

async function claim(view: View, event: Decoded, known: Row): Promise<Row> {
  const receipt = await view.client.getTransactionReceipt({ hash: event.log.transactionHash });
  return {
    ...known,
    wallet: address(event, 'holder'),
    token_id: String(argument(event, 'tokenId')),
    amount: String(argument(event, 'amount')),
    gas_used: String(receipt.gasUsed),
    gas_price: String(receipt.effectiveGasPrice),
  };
}
