import { encodeAbiParameters, maxUint256, pad, parseAbiParameters, toEventSelector, toHex } from 'viem';
import { expect, test } from 'vitest';
import { type Hex, ZERO_ADDRESS } from '../../../indexer/kernel/chain.ts';
import { addressOf } from '../../kit/event-logs.ts';
import {
  announce,
  busyBlocks,
  erc20Mint,
  erc20Transfer,
  MASTER,
  nftTransfer,
  TOKEN,
  WALLETS,
} from '../../kit/music.ts';
import { insertArtist } from '../../kit/platform-rows.ts';
import { busyChain, follow } from '../../kit/scene.ts';
import { until } from '../../kit/until.ts';

const TRANSFER = toEventSelector('Transfer(address,address,uint256)');
const NAME = '0x06fdde03';
const SYMBOL = '0x95d89b41';
const [alice, bob] = WALLETS as unknown as [Hex, Hex];
const word = (value: Hex): Hex => pad(value);
const string = (text: string): Hex => encodeAbiParameters(parseAbiParameters('string'), [text]);

test('stores the largest amounts, log indices near 2^32 and token id 2^256-1, and unwinds them', async () => {
  const { chain, db, settled } = await follow();
  chain.append({
    logs: [
      ...[1, 2, 3].map(() => erc20Mint(alice, maxUint256)),
      nftTransfer(ZERO_ADDRESS, bob, maxUint256),
      { ...erc20Transfer(alice, bob, maxUint256), logIndex: 0xffff_ffe2 },
    ],
  });
  await settled();
  const { rows } = await db.query(
    `select balance::text, log_index::text from token_holders, (select max(log_index) as log_index from token_transfers) most
     where wallet_address = $1`,
    [alice],
  );
  expect(rows[0]?.log_index).toBe(String(0xffff_ffe2));
  chain.reorg(1, busyBlocks(17)(1));
  await settled();
});

test('logs that do not fit their ABI become dead letters, and the rest of the block is indexed', async () => {
  const { chain, db, settled } = await follow();
  const amount = word('0x64');
  const { number } = chain.append({
    logs: [
      { address: TOKEN, topics: [TRANSFER, word('0x0'), word(alice), amount] }, // An ERC-721 transfer from an ERC-20 contract.
      { address: TOKEN, topics: [TRANSFER, word('0x0'), word(alice)], data: '0x01' },
      { address: TOKEN, topics: [TRANSFER, word('0x0'), pad('0xff', { dir: 'right' })], data: amount },
      { address: MASTER, topics: [TRANSFER, word('0x0'), word(alice)], data: amount }, // An ERC-20 transfer from an ERC-721 contract.
      { address: TOKEN, topics: [], data: '0xdead' },
      { address: TOKEN, topics: [toHex('an unknown event', { size: 32 })] },
      erc20Mint(alice, 100n),
    ],
  });
  await settled();
  const { rows } = await db.query('select log_index::int, reason from indexer.dead_letters order by log_index');
  expect(rows.map(({ log_index }) => log_index)).toEqual([0, 1, 2, 3]);
  for (const { reason } of rows) expect(reason).not.toBe('');
  expect((await db.query('select from token_transfers where block_number = $1', [number])).rows).toHaveLength(1);
  // Like facts, dead letters are unwound with their block.
  chain.reorg(1);
  await settled();
  expect((await db.query('select from indexer.dead_letters')).rows).toEqual([]);
});

test('stores legal names for tokens that return 1 MB, NUL bytes, bytes32 or nothing', async () => {
  const chain = busyChain();
  const answers: Readonly<Record<string, { name: Hex; symbol: Hex; stored: { name: string; symbol: string } }>> = {
    [addressOf(0xbad1)]: {
      name: string('n'.repeat(1024 * 1024)),
      symbol: string(''),
      stored: { name: 'n'.repeat(100), symbol: '' },
    },
    [addressOf(0xbad2)]: {
      name: string('N\0U\0L'),
      symbol: pad(toHex('MKR'), { dir: 'right' }),
      stored: { name: 'NUL', symbol: 'MKR' },
    },
    [addressOf(0xbad3)]: { name: '0x', symbol: word('0xff'), stored: { name: '', symbol: '\uFFFD' } },
  };
  chain.call = (to, data) => {
    const token = answers[to];
    if (token === undefined) return '0x';
    return data === NAME ? token.name : data === SYMBOL ? token.symbol : '0x';
  };
  const { db, settled } = await follow({ chain });
  const { chainId } = chain;
  for (const address of Object.keys(answers)) {
    chain.code.set(address as Hex, 0);
    await announce(db, await insertArtist(db, address), { kind: 'artist_token', chainId, address, block: 0 });
    chain.append({ logs: [erc20Mint(alice, 5n, address as Hex)] });
  }
  await settled();
  for (const [address, { stored }] of Object.entries(answers)) {
    await until(`the name of ${address}`, async () => {
      const sql = 'select from indexer.contracts where address = $1 and metadata_read_at is not null';
      return (await db.query(sql, [address])).rows.length > 0;
    });
    const sql = 'select name, symbol, total_supply from artist_tokens where contract_address = $1';
    expect((await db.query(sql, [address])).rows).toEqual([{ ...stored, total_supply: '5' }]);
  }
});
