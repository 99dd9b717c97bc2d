import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { bar, clip, coins, price, sparkline } from '../../demo/format.ts';
import type { Moment } from '../../demo/frame.ts';
import { createShow } from '../../demo/show.ts';

const MOMENT: Moment = {
  figures: {
    ...{ head: 1_234, finalized: 1_170, lagBlocks: 1, facts: 5_812, eventsPerSecond: 41.6, eventsInLastSecond: 40 },
    ...{ reorgs: 3, deepestReorg: 11, deadLetters: 0, tokens: 412, burnt: 14, owners: 9, holders: 12 },
    topHolders: [{ wallet: `0x${'ab'.repeat(20)}`, balance: '120034120000000000000000' }],
    ...{ coin: 'ARTI', coinSupply: '900000000000000000000000' },
    pool: {
      ...{ symbol0: 'DUSD', symbol1: 'ARTI', providers: 4 },
      ...{ reserve0: '20000000000000000000000', reserve1: '30000000000000000000000' },
    },
    dividends: [
      { rule: 'token', deposited: '15240000000000000000', distributed: '8000000000000000000', claimed: '0', claims: 0 },
      {
        rule: 'snapshot',
        deposited: '3000000000000000000',
        distributed: '2000000000000000000',
        claimed: '0',
        claims: 0,
      },
    ],
  },
  ...{ elapsedSeconds: 12, seconds: 20, seed: 1, rates: [1, 5, 9] },
  news: [
    { of: 'block', block: 1_233, actions: ['swap', 'mint'] },
    { of: 'reorg', from: 1_230, to: 1_233 },
  ],
};

function screen(isTTY: boolean, columns = 60, rows = 40) {
  const written: string[] = [];
  return { isTTY, columns, rows, written, write: (text: string) => written.push(text) };
}

test('a terminal is redrawn in place, within its width, and its cursor is restored at the end', () => {
  const terminal = screen(true);
  const show = createShow(terminal, false);
  show.moment(MOMENT);
  show.moment(MOMENT);
  show.close();
  show.close();
  const [first = '', second = '', ...rest] = terminal.written;
  const lines = stripVTControlCharacters(first).split('\n');
  expect(lines.some((line) => line.includes('1,234'))).toBe(true);
  expect(lines.filter((line) => /by (token|snapshot) .* of .* ETH/.test(line))).toHaveLength(2);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(60);
  expect(second).toContain(`\u001b[${lines.length - 1}A\r`);
  expect(rest).toEqual(['\u001b[?25h']);
});

test('a terminal with few rows shows as many lines as fit', () => {
  const terminal = screen(true, 60, 6);
  const show = createShow(terminal, false);
  show.moment(MOMENT);
  expect(terminal.written[0]?.split('\n')).toHaveLength(6);
});

test('output that is not a terminal gets one line per update, as text without control characters or as JSON', () => {
  const [pipe, file] = [screen(false), screen(false)];
  createShow(pipe, false).moment(MOMENT);
  createShow(file, true).moment(MOMENT);
  expect(pipe.written.join('')).toMatch(
    /^00:12 {2}head 1234 {2}lag 1 .* {2}dividends by token 8.00 of 15.24 ETH {2}dividends by snapshot 2.00 of 3.00 ETH\n$/,
  );
  expect(JSON.parse(file.written.join(''))).toMatchObject({ type: 'figures', head: 1_234, reorgs: 3 });
});

test('amounts, prices, bars and sparklines are formatted exactly', () => {
  expect(coins('1234567890000000000000')).toBe('1,234.56');
  expect(coins('-1500000000000000000')).toBe('-1.50');
  expect(price('20000000000000000000', '30000000000000000000')).toBe('1.50');
  expect(price('0', '5')).toBe('–');
  expect([bar('0', '9', 10), bar('1', '900', 10), bar('9', '9', 10)]).toEqual(['', '█', '█'.repeat(10)]);
  expect(sparkline([0, 4, 8])).toBe('▁▅█');
  expect(clip('\u001b[1mabcdef\u001b[22m', 3)).toBe('\u001b[1mabc\u001b[22m');
});
