import { toFunctionSelector } from 'viem';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import type { Chain, ChainLog } from './chain.ts';
import { RpcFault } from './chain-rpc.ts';
import { hexOf } from './event-logs.ts';

const TRANSFER_TOPICS = 4;
const WORD_DIGITS = 64;
const SELECTOR_CHARS = 10;
const ADDRESS_DIGITS = 40;
const REVERTED = 3;

/** Makes a chain in memory answer `balanceOf`, `totalSupply` and `ownerOf` of ERC-20 and ERC-721 contracts, from its logs. */
export function answerCalls(chain: Chain, contracts: readonly Hex[]): void {
  for (const contract of contracts) chain.code.set(contract, 0);
  chain.call = (to, data, block) => {
    const transfers = chain.logs(0, block).filter(({ address }) => address === to);
    const argument = `0x${data.slice(SELECTOR_CHARS)}` as Hex;
    const answer = ANSWERS.get(data.slice(0, SELECTOR_CHARS) as Hex)?.(transfers, argument);
    if (answer === undefined) throw new RpcFault(REVERTED, 'execution reverted');
    return hexOf(answer, WORD_DIGITS);
  };
}

const ANSWERS = new Map<Hex, (transfers: readonly ChainLog[], argument: Hex) => bigint | undefined>([
  [toFunctionSelector('balanceOf(address)'), (transfers, wallet) => balanceOf(transfers, BigInt(wallet))],
  [toFunctionSelector('totalSupply()'), (transfers) => -balanceOf(transfers, 0n)],
  [
    toFunctionSelector('ownerOf(uint256)'),
    (transfers, token) => {
      const last = transfers.findLast(({ topics }) => topics.length === TRANSFER_TOPICS && topics[3] === token);
      const owner = last === undefined ? ZERO_ADDRESS : `0x${last.topics[2]?.slice(-ADDRESS_DIGITS)}`;
      return owner === ZERO_ADDRESS ? undefined : BigInt(owner);
    },
  ],
]);

function balanceOf(transfers: readonly ChainLog[], wallet: bigint): bigint {
  let balance = 0n;
  for (const { topics, data } of transfers) {
    const value = topics.length === TRANSFER_TOPICS ? 1n : BigInt(data);
    if (BigInt(topics[2] ?? 0) === wallet) balance += value;
    if (BigInt(topics[1] ?? 0) === wallet) balance -= value;
  }
  return balance;
}
