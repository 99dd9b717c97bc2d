import type { Hex } from '../../indexer/kernel/chain.ts';
import { addressOf } from '../kit/event-logs.ts';
import { type Flaw, type LogBody, logBody, type SimEvent } from './events.ts';
import type { Random } from './random.ts';
import type { SimContract } from './world.ts';

/** Few wallets, so that they often interact. */
export const WALLETS: readonly Hex[] = [0xa1, 0xb2, 0xc3, 0xd4].map(addressOf);

/** The events of a dividend contract in its ABI version. */
export function eventsOf({ abiVersion }: SimContract) {
  if (abiVersion === '2.0') return { deposit: 'RevenueDepositedFrom', claim: 'DividendClaimedByOwner' } as const;
  if (abiVersion === '3.0') return { deposit: 'DividendDeposited', claim: 'DividendClaimedForEpoch' } as const;
  return { deposit: 'RevenueDeposited', claim: 'DividendClaimed' } as const;
}

const FLAWS: readonly Flaw[] = ['extra topic', 'missing topic', 'short data', 'long data', 'dirty word'];

/** Draws a log whose first topic is in the contract's ABI but that does not fit it. */
export function misfit(contract: SimContract, random: Random): LogBody {
  const { address, kind } = contract;
  const parties = { from: random.pick(WALLETS), to: random.pick(WALLETS) };
  const flaw = random.pick(FLAWS);
  const name = random.pick<SimEvent>(
    {
      master: [
        'Transfer20',
        'Transfer721',
        'DefaultRoyaltySet',
        'Minted',
        'TransferValidatorUpdated',
        'Paused',
      ] as const,
      artist_token: ['Transfer721', 'Transfer20', 'Transfer20', 'OwnershipTransferred'] as const,
      dividend: [eventsOf(contract).claim, eventsOf(contract).deposit, 'DividendsDistributed'] as const,
      pool: ['Transfer721', 'Transfer20', 'Sync', 'Sync', 'Swap', 'Mint', 'Burn'] as const,
    }[kind],
  );
  const wrongForm = (name === 'Transfer721') === (kind !== 'master') && name.startsWith('Transfer');
  const args = {
    ...parties,
    tokenId: 1n,
    value: 7n,
    minter: parties.to,
    price: 5n,
    receiver: parties.to,
    feeNumerator: 7n,
    account: parties.to,
    previousOwner: parties.from,
    newOwner: parties.to,
  };
  const words = {
    oldValidator: parties.from,
    newValidator: parties.to,
    holder: parties.to,
    amount: 5n,
    token: parties.to,
    owner: parties.to,
    source: 'radio' as Hex,
    masterId: 1n,
    epochId: 2n,
  };
  const pool = { sender: parties.from, amount0: 1n, amount1: 2n, reserve0: 8n, reserve1: 9n, timestamp: 3n };
  const swap = { amount0In: 1n, amount1In: 2n, amount0Out: 3n, amount1Out: 4n, perTokenAmount: 1n };
  return logBody(address, name, { ...args, ...words, ...pool, ...swap }, wrongForm && random.percent(70) ? null : flaw);
}
