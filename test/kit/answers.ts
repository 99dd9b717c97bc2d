import { toFunctionSelector } from 'viem';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { type BlockSpec, Chain, type ChainLog } from './chain.ts';
import { RpcFault } from './chain-rpc.ts';
import { hexOf } from './event-logs.ts';
import { erc20Mint, erc20Transfer, MASTER, nftTransfer, TOKEN, WALLETS } from './music.ts';

const TRANSFER_TOPICS = 4;
const WORD_DIGITS = 64;
const SELECTOR_CHARS = 10;
const ADDRESS_DIGITS = 40;
const REVERTED = 3;
const BUSY_EVERY_BLOCKS = 5;

/** Creates a chain whose contracts answer calls. Every wallet receives the tokens that it spends later. */
export function consistentChain(blocks: number, finalized: number): Chain {
  const chain = new Chain();
  const [alice] = WALLETS;
  const mints = WALLETS.map((wallet) => erc20Mint(wallet, 1_000_000n));
  const tokens = Array.from({ length: 10 }, (_, token) => nftTransfer(ZERO_ADDRESS, alice, BigInt(token)));
  const owners = new Map<number, Hex>(tokens.map((_, token) => [token, alice]));
  const specs = Array.from({ length: blocks }, (_, at): BlockSpec => {
    const number = at + 1;
    if (number === 1) return { logs: [...mints, ...tokens] };
    if (number % BUSY_EVERY_BLOCKS !== 0) return {};
    const turn = number / BUSY_EVERY_BLOCKS;
    const [from, to] = [WALLETS[turn % WALLETS.length] as Hex, WALLETS[(turn + 3) % WALLETS.length] as Hex];
    const token = turn % tokens.length;
    const moved = nftTransfer(owners.get(token) ?? alice, to, BigInt(token));
    owners.set(token, to);
    return { logs: [erc20Transfer(from, to, BigInt(100 + turn)), moved] };
  });
  chain.append(...specs);
  chain.finalized = finalized;
  answerCalls(chain, [TOKEN, MASTER]);
  return chain;
}

/** Makes a chain in memory answer `balanceOf`, `totalSupply` and `ownerOf` of ERC-20 and ERC-721 contracts, from its logs. */
function answerCalls(chain: Chain, contracts: readonly Hex[]): void {
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
