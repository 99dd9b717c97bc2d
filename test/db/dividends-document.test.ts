import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Hex, type RawLog, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { stages } from '../../indexer/stages/stages.ts';
import { addressOf } from '../kit/event-logs.ts';
import { claim, claimEpoch, distribute, MASTER, START, StageScene, transfer } from '../kit/stage-scene.ts';

const DOCUMENT = readFileSync(new URL('../../docs/dividends.md', import.meta.url), 'utf8');
const WALLETS: Readonly<Record<string, Hex>> = { Ann: addressOf(0xa), Ben: addressOf(0xb), Cleo: addressOf(0xc) };
const NAMES = Object.keys(WALLETS);

/** A row of a table: its block, what happens, and the balance of each wallet. */
type Line = { readonly block: number; readonly event: string; readonly balances: readonly string[] };

/** Returns the rows of the table that follows a line of the document. */
function tableAfter(line: string): readonly Line[] {
  const [head = '', , ...rows] = (DOCUMENT.split(`${line}\n\n`)[1] ?? '').split('\n\n')[0]?.split('\n') ?? [];
  const cells = (row: string) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  expect(cells(head)).toEqual(['block', 'what happens', ...NAMES]);
  return rows.map((row) => {
    const [block, event = '', ...balances] = cells(row);
    return { block: Number(block), event, balances };
  });
}

/** Returns the log of what happens in a block. */
function logOf({ block, event }: Line): RawLog {
  const [verb, ...words] = event.split(' ');
  const wallet = (after: string) => WALLETS[words[words.indexOf(after) + 1] ?? ''] ?? ZERO_ADDRESS;
  const number = (at: number) => BigInt(words[at] ?? '');
  if (verb === 'distribute') return distribute(number(0), { block });
  if (verb === 'claim' && words.includes('for')) {
    return claim(number(words.length - 1), { block, holder: wallet('by'), amount: number(0) });
  }
  if (verb === 'claim') return claimEpoch({ block, holder: wallet('by'), amount: number(0) });
  const from = verb === 'mint' ? ZERO_ADDRESS : wallet('from');
  return transfer(MASTER, number(0), [from, verb === 'burn' ? ZERO_ADDRESS : wallet('to')], { block });
}

test.each([
  ['token', '1.0'],
  ['snapshot', '3.0'],
])('the example by hand in docs/dividends.md: the rule `%s`', async (rule, abiVersion) => {
  const scene = await StageScene.open({ abiVersion });
  try {
    const lines = tableAfter(`By the rule \`${rule}\`:`);
    expect(lines).toHaveLength(11);
    await scene.fill(1, START, lines.map(logOf));
    for (const line of lines) {
      await scene.run(stages, line.block);
      const { rows } = await scene.database.pool.query(
        `select wallet_address, format('%s − %s = %s', total_earned, total_claimed, claimable_amount) as text from wallet_dividend_balances`,
      );
      const stored = new Map(rows.map(({ wallet_address, text }) => [wallet_address, text]));
      const balances = NAMES.map((name) => stored.get(WALLETS[name]) ?? '–');
      expect(balances, `block ${line.block}: ${line.event}`).toEqual(line.balances);
    }
  } finally {
    await scene.drop();
  }
});
