import type { BackfillProgress } from '../roles/backfill.ts';
import type { Output } from './io.ts';

const BAR_CELLS = { least: 5, most: 24 };
/** Of a terminal that does not tell. */
const COLUMNS = 80;

/** Shows progress on standard error: a line that is drawn over and over for people, a line of JSON each time otherwise. */
export class ProgressBar {
  /** What else is written goes through here, so that it does not end up in the middle of the line. */
  readonly beside: Output;
  readonly #output: Output;
  #line = '';

  constructor(output: Output) {
    this.#output = output;
    this.beside = { write: (text) => this.#beside(text), isTTY: output.isTTY };
  }

  show(progress: BackfillProgress): void {
    if (this.#output.isTTY !== true) {
      this.#output.write(`${JSON.stringify({ progress })}\n`);
      return;
    }
    this.#line = lineOf(progress, (this.#output.columns ?? COLUMNS) - 1);
    this.#output.write(`\r\u001b[2K${this.#line}`);
  }

  /** Leaves the last line as it is. */
  end(): void {
    if (this.#line !== '') this.#output.write('\n');
    this.#line = '';
  }

  #beside(text: string): unknown {
    return this.#output.write(this.#line === '' ? text : `\r\u001b[2K${text}${this.#line}`);
  }
}

/** One line for people, no longer than a width: a line that wraps would be drawn over only in part. */
export function lineOf(progress: BackfillProgress, width: number): string {
  const { blocks, blocksDone, eventsPerSecond, blocksPerSecond, secondsLeft, rangeBlocks, retries } = progress;
  const share = blocks === 0 ? 1 : blocksDone / blocks;
  const number = (value: number) => value.toLocaleString('en');
  const words = [
    `${(Math.floor(share * 1_000) / 10).toFixed(1)} %`,
    `${number(blocksDone)}/${number(blocks)} blocks`,
    // Where other processes write all there is, blocks tell that it goes on.
    eventsPerSecond === 0 ? `${number(blocksPerSecond)} blocks/s` : `${number(eventsPerSecond)} events/s`,
    ...(secondsLeft === undefined ? [] : [`${durationOf(secondsLeft)} left`]),
    ...(rangeBlocks === 0 ? [] : [`${number(rangeBlocks)} blocks a range`]),
    ...(retries === 0 ? [] : [`${number(retries)} ${retries === 1 ? 'retry' : 'retries'}`]),
  ].join('  ');
  const cells = Math.min(BAR_CELLS.most, width - words.length - '[] '.length);
  if (cells < BAR_CELLS.least) return words.slice(0, width);
  const full = Math.floor(share * cells);
  return `[${'#'.repeat(full)}${'.'.repeat(cells - full)}] ${words}`;
}

function durationOf(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}
