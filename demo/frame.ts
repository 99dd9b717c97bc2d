import type { Figures } from './figures.ts';
import { bar, clock, coins, price, shortAddress, sparkline, whole } from './format.ts';
import type { News } from './traffic.ts';

/** The state that the demo shows at one moment. */
export type Moment = {
  readonly figures: Figures;
  readonly elapsedSeconds: number;
  /** How long the demo runs, if it is limited. */
  readonly seconds: number | undefined;
  readonly seed: number;
  /** The number of facts in each of the last seconds, the newest last. */
  readonly rates: readonly number[];
  readonly news: readonly News[];
};

/** A text style of the terminal. */
export type Style = 'bold' | 'dim' | 'cyan' | 'green' | 'yellow' | 'magenta';
/** Returns a text in a style, or unchanged if the output has no styles. */
export type Paint = (style: Style, text: string) => string;

const LABEL_WIDTH = 11;
const BAR_WIDTH = 24;

/** Returns the lines that a terminal shows for a moment. */
export function frameOf({ figures, elapsedSeconds, seconds, seed, rates, news }: Moment, paint: Paint): string[] {
  const { head, lagBlocks, finalized, pool, dividends } = figures;
  const row = (label: string, ...cells: string[]): string =>
    ` ${paint('dim', label.padEnd(LABEL_WIDTH))}${cells.filter((cell) => cell !== '').join(paint('dim', '  ·  '))}`;
  const strong = (text: string | number): string => paint('bold', typeof text === 'number' ? whole(text) : text);
  const time = seconds === undefined ? clock(elapsedSeconds) : `${clock(elapsedSeconds)} of ${clock(seconds)}`;
  const lag = lagBlocks ?? 0;
  return [
    ` ${paint('cyan', 'indexer demo')}  ${strong(time)}  ${paint('dim', `seed ${seed}`)}`,
    '',
    row(
      'head',
      head === null ? 'none yet' : strong(head),
      paint(lag === 0 ? 'green' : 'yellow', `${whole(lag)} blocks behind`),
      finalized === null ? '' : `finalized ${whole(finalized)}`,
    ),
    row('events', `${strong(figures.eventsPerSecond.toFixed(1))} a second ${paint('cyan', sparkline(rates))}`),
    row('', `${whole(figures.facts)} facts`, figures.deadLetters === 0 ? '' : `${figures.deadLetters} dead letters`),
    row(
      'reorgs',
      `${paint('magenta', String(figures.reorgs))} repaired`,
      figures.reorgs === 0 ? '' : `deepest ${figures.deepestReorg} blocks`,
    ),
    '',
    row(
      'masters',
      `${strong(figures.tokens)} tokens`,
      `${strong(figures.owners)} owners`,
      `${whole(figures.burnt)} burnt`,
    ),
    row('coin', `${strong(coins(figures.coinSupply))} ${figures.coin}`, `${strong(figures.holders)} holders`),
    ...holderLines(figures, paint),
    row(
      'pool',
      `${strong(coins(pool.reserve0))} ${pool.symbol0}`,
      `${strong(coins(pool.reserve1))} ${pool.symbol1}`,
      `1 ${pool.symbol0} = ${price(pool.reserve0, pool.reserve1)} ${pool.symbol1}`,
      `${pool.providers} providers`,
    ),
    ...dividends.map(({ rule, deposited, distributed, claimed }, index) =>
      row(
        index === 0 ? 'dividends' : '',
        `by ${rule}`,
        `${strong(coins(distributed))} of ${strong(coins(deposited))} ETH distributed`,
        `${strong(coins(claimed))} claimed`,
      ),
    ),
    '',
    ...news.map((item) => ` ${newsLine(item, paint)}`),
  ];
}

function holderLines({ topHolders }: Figures, paint: Paint): string[] {
  const most = topHolders[0]?.balance ?? '0';
  const amounts = topHolders.map(({ balance }) => coins(balance));
  const width = Math.max(0, ...amounts.map((amount) => amount.length));
  return topHolders.map(({ wallet, balance }, index) => {
    const amount = (amounts[index] ?? '').padStart(width);
    return ` ${' '.repeat(LABEL_WIDTH)}${shortAddress(wallet)}  ${amount}  ${paint('cyan', bar(balance, most, BAR_WIDTH))}`;
  });
}

function newsLine(news: News, paint: Paint): string {
  if (news.of === 'block') {
    return `${paint('dim', `block ${whole(news.block)}`.padEnd(LABEL_WIDTH))}${news.actions.join(', ')}`;
  }
  const { from, to } = news;
  const depth = to - from + 1;
  const which = from === to ? `block ${whole(from)} is` : `blocks ${whole(from)} to ${whole(to)} are`;
  return paint('magenta', `${'reorg'.padEnd(LABEL_WIDTH)}${which} replaced: ${depth} deep`);
}

/** Returns one line for a moment, for a file or a pipe. */
export function lineOf({ figures, elapsedSeconds }: Moment): string {
  const { pool, dividends } = figures;
  return [
    clock(elapsedSeconds),
    `head ${figures.head ?? 'none'}`,
    `lag ${figures.lagBlocks ?? '?'}`,
    `${figures.eventsPerSecond.toFixed(1)} events/s`,
    `reorgs ${figures.reorgs} (deepest ${figures.deepestReorg})`,
    `tokens ${figures.tokens}`,
    `owners ${figures.owners}`,
    `holders ${figures.holders}`,
    `reserves ${coins(pool.reserve0)} ${pool.symbol0}, ${coins(pool.reserve1)} ${pool.symbol1}`,
    ...dividends.map(
      ({ rule, deposited, distributed }) => `dividends by ${rule} ${coins(distributed)} of ${coins(deposited)} ETH`,
    ),
  ].join('  ');
}
