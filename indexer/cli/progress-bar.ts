import cliProgress, { type MultiBar, type SingleBar } from 'cli-progress';
import type { BackfillProgress } from '../roles/progress-meter.ts';
import type { Output } from './io.ts';

const BAR_CELLS_MIN = 5;
const BAR_CELLS_MAX = 24;
const BAR = {
  barCompleteString: '#'.repeat(BAR_CELLS_MAX),
  barIncompleteString: '.'.repeat(BAR_CELLS_MAX),
  barGlue: '',
};
/** The assumed width, in characters, of a terminal that does not report its width. */
const COLUMNS = 80;

/** Shows the progress of a backfill: on a terminal as a line that is redrawn in place, otherwise as one line of JSON per update. */
export class ProgressBar {
  /** Writes text above the bar. While the bar is shown, all other output to the terminal must be written here. */
  readonly above: Output;
  readonly #output: Output;
  #bars: MultiBar | undefined;
  #bar: SingleBar | undefined;

  constructor(output: Output) {
    this.#output = output;
    this.above = { write: (text) => this.#writeAbove(text), isTTY: output.isTTY };
  }

  /** Shows the current progress. */
  show(progress: BackfillProgress): void {
    if (this.#output.isTTY !== true) {
      this.#output.write(`${JSON.stringify({ progress })}\n`);
      return;
    }
    this.#bars ??= this.#createBars();
    this.#bar ??= this.#bars.create(progress.blocks, progress.blocksDone, { progress });
    this.#bar.setTotal(progress.blocks);
    this.#bar.update(progress.blocksProved ?? progress.blocksDone, { progress });
  }

  /** Stops drawing and leaves the last line as it is. */
  end(): void {
    if (this.#bars === undefined) return;
    // Draw the latest progress, and everything above it that was not drawn yet.
    this.#bars.update();
    this.#bars.stop();
    this.#bars = undefined;
    this.#bar = undefined;
  }

  #createBars(): MultiBar {
    return new cliProgress.MultiBar({
      stream: this.#output as NodeJS.WritableStream,
      format: (_options, _params, payload) => lineOf(payload.progress, (this.#output.columns ?? COLUMNS) - 1),
      hideCursor: false,
      linewrap: true,
      // The program handles signals itself.
      gracefulExit: false,
    });
  }

  #writeAbove(text: string): unknown {
    if (this.#bars === undefined) return this.#output.write(text);
    return this.#bars.log(text);
  }
}

/** Formats progress as one line of at most `width` characters. A longer line would wrap, and only a part of it would be redrawn. */
export function lineOf(progress: BackfillProgress, width: number): string {
  const { blocks, blocksDone, eventsPerSecond, blocksPerSecond, secondsLeft, rangeBlocks, retries, blocksProved } =
    progress;
  const share = blocks === 0 ? 1 : (blocksProved ?? blocksDone) / blocks;
  const number = (value: number) => value.toLocaleString('en');
  const percent = `${(Math.floor(share * 1_000) / 10).toFixed(1)} %`;
  if (blocksProved !== undefined)
    return withBar(share, `${percent}  proving, ${number(blocksProved)} of ${number(blocks)} blocks`, width);
  const words = [
    percent,
    `${number(blocksDone)}/${number(blocks)} blocks`,
    // If other processes write all events, the rate of blocks still shows the progress.
    eventsPerSecond === 0 ? `${number(blocksPerSecond)} blocks/s` : `${number(eventsPerSecond)} events/s`,
    ...(secondsLeft === undefined ? [] : [`${durationOf(secondsLeft)} left`]),
    ...(rangeBlocks === 0 ? [] : [`${number(rangeBlocks)} blocks a range`]),
    ...(retries === 0 ? [] : [`${number(retries)} ${retries === 1 ? 'retry' : 'retries'}`]),
  ].join('  ');
  return withBar(share, words, width);
}

function withBar(share: number, words: string, width: number): string {
  const cells = Math.min(BAR_CELLS_MAX, width - words.length - '[] '.length);
  if (cells < BAR_CELLS_MIN) return words.slice(0, width);
  // Round down, so that the bar is full only at the end. The library would round to the nearest cell.
  const full = Math.floor(share * cells) / cells;
  return `[${cliProgress.Format.BarFormat(full, { ...BAR, barsize: cells })}] ${words}`;
}

function durationOf(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}
