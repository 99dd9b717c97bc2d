import { toFunctionSelector } from 'viem';
import { expect, test } from 'vitest';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { Chain, type LogSpec } from '../kit/chain.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import { Daemon } from '../kit/daemon.ts';
import { addressOf, encodeEvent, hexOf } from '../kit/event-logs.ts';
import { announce, DIVIDENDS, MASTER, nftTransfer, WALLETS } from '../kit/music.ts';
import { EVENT_ABIS } from '../kit/oracle/events.ts';
import { createScene } from '../kit/scene.ts';
import { until } from '../kit/until.ts';
import { openVerifier } from '../kit/verification.ts';

const [ALICE, BOB] = WALLETS as unknown as [Hex, Hex];
const SELECTOR_CHARS = 10;
/** A currency in which nothing is deposited. */
const UNDEPOSITED: Hex = addressOf(0x99);

const event = (name: keyof typeof EVENT_ABIS, args: Record<string, unknown>): LogSpec => ({
  address: DIVIDENDS,
  ...encodeEvent(EVENT_ABIS[name], args),
});
const deposit = (amount: bigint) => event('RevenueDeposited', { amount, token: ZERO_ADDRESS, timestamp: 1n });
const distribution = (perTokenAmount: bigint, tokens: bigint, token: Hex = ZERO_ADDRESS) =>
  event('DividendsDistributed', { amount: perTokenAmount * tokens, token, perTokenAmount });

/** Creates a chain with three tokens, a distribution, a claim, a sale, a burn, a late mint, and two more distributions. */
function dividendChain(): Chain {
  const chain = new Chain();
  chain.append(
    { logs: [1n, 2n, 3n].map((token) => nftTransfer(ZERO_ADDRESS, ALICE, token)) },
    { logs: [deposit(100n), distribution(10n, 3n)] },
    { logs: [event('DividendClaimed', { holder: ALICE, tokenId: 1n, amount: 10n })] },
    { logs: [nftTransfer(ALICE, BOB, 2n), nftTransfer(ALICE, ZERO_ADDRESS, 3n)] },
    { logs: [nftTransfer(ZERO_ADDRESS, BOB, 4n)] },
    { logs: [distribution(5n, 3n)] },
    { logs: [distribution(1n, 3n, UNDEPOSITED)] },
  );
  chain.mine(10);
  chain.finalized = 12;
  for (const contract of [MASTER, DIVIDENDS]) chain.code.set(contract, 0);
  return chain;
}

/** The correct answers of the dividend contract, computed by hand. */
const ANSWERS: Readonly<Record<string, Readonly<Record<string, bigint>>>> = {
  'claimableAmount(uint256)': { 1: 5n, 2: 15n, 4: 5n },
  'claimedAmount(uint256)': { 1: 10n },
  'totalRevenueReceived()': { '': 100n },
  'totalDividendsPaid()': { '': 10n },
};

function answer(chain: Chain, answers: typeof ANSWERS): void {
  const bySelector = new Map(Object.entries(answers).map(([name, values]) => [toFunctionSelector(name), values]));
  chain.call = (to, data) => {
    const argument = data.slice(SELECTOR_CHARS);
    const key = argument === '' ? '' : String(BigInt(`0x${argument}`));
    const value = to === DIVIDENDS ? bySelector.get(data.slice(0, SELECTOR_CHARS) as Hex)?.[key] : undefined;
    if (value === undefined) throw new RpcFault(3, 'execution reverted');
    return hexOf(value, 64);
  };
}

test('what a dividend contract answers about tokens and totals is compared, and what it does not answer is noted', async () => {
  const chain = dividendChain();
  answer(chain, ANSWERS);
  const { chainId } = chain;
  const scene = await createScene({ chain, settings: {}, announce: false });
  const daemon = await Daemon.start(scene.env);
  await announce(scene.db, scene.artist, { kind: 'master', chainId, address: MASTER, block: 1 });
  await announce(scene.db, scene.artist, { kind: 'dividend', chainId, address: DIVIDENDS, block: 1 });
  await until('history to be filled', async () => {
    const { rows } = await scene.db.query(
      `select count(*)::int as complete from indexer.contracts where covered @> int8range(1, live_from)
       and exists (select from indexer.dividend_progress where block >= 7)`,
    );
    return rows[0].complete === 2;
  });
  await until('the anomaly to be counted', async () =>
    (await daemon.metrics()).includes('indexer_dividend_anomalies{chain="31337"} 1'),
  );
  await daemon.kill();
  const { verify } = openVerifier(scene.url, chainId, [scene.server.url]);
  const ofDividends = async () => {
    const { differences, notes, result } = await verify({ contracts: [DIVIDENDS] });
    return {
      notes: notes.filter((note) => !note.includes(UNDEPOSITED)),
      anomalies: notes.filter((note) => note.includes(UNDEPOSITED)).length,
      answers: result.answers,
      lines: differences.map(({ column, key, stored, expected }) => ({ column, key, stored, expected })),
    };
  };
  expect(await ofDividends()).toEqual({ lines: [], notes: [], anomalies: 1, answers: 6 });

  answer(chain, {
    ...ANSWERS,
    'claimableAmount(uint256)': { 1: 5n, 2: 5n, 4: 5n },
    'totalDividendsPaid()': { '': 20n },
  });
  expect((await ofDividends()).lines).toEqual([
    { column: 'claimableAmount(uint256)', key: '2', stored: '15', expected: '5' },
    { column: 'totalDividendsPaid()', key: '', stored: '10', expected: '20' },
  ]);

  const { 'claimableAmount(uint256)': _, ...others } = ANSWERS;
  answer(chain, others);
  expect(await ofDividends()).toEqual({
    lines: [],
    notes: [`dividend ${DIVIDENDS} does not answer claimableAmount(uint256)`],
    anomalies: 1,
    answers: 3,
  });
});
