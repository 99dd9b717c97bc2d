import { listRequests, progressOf } from '../backfill/requests.ts';
import type { Database } from '../db/database.ts';
import type { BackfillView } from '../http/chain-view.ts';
import { type BlockRange, union } from '../kernel/ranges.ts';
import type { Measures } from '../observability/measures.ts';
import { ProgressMeter } from './progress-meter.ts';

/** The rate of facts is computed over about this time. */
const WINDOW_MS = 10_000;

/** Computes how fast a process works on a chain, for the status page. */
export class ChainFigures {
  readonly #chainId: number;
  readonly #database: Database;
  readonly #measures: Measures;
  readonly #now: () => number;
  readonly #readings: { readonly at: number; readonly facts: number }[] = [];
  #meters = new Map<string, ProgressMeter>();

  constructor(chainId: number, database: Database, measures: Measures, now: () => number) {
    this.#chainId = chainId;
    this.#database = database;
    this.#measures = measures;
    this.#now = now;
  }

  /** Returns how many facts per second this process wrote in about the last ten seconds. Each call adds a reading. */
  eventsPerSecond(): number {
    const reading = { at: this.#now(), facts: this.#measures.factsOf(this.#chainId) };
    this.#readings.push(reading);
    // Keep one reading from before the window, so that there is a rate even if this method is rarely called.
    while ((this.#readings[1]?.at ?? reading.at) < reading.at - WINDOW_MS) this.#readings.shift();
    const first = this.#readings[0] ?? reading;
    const seconds = (reading.at - first.at) / 1_000;
    return seconds > 0 ? Math.round((reading.facts - first.facts) / seconds) : 0;
  }

  /** Returns the progress of each running request, and of the history that the daemon fills without a request, whose gaps are `gaps`. */
  async backfills(gaps: readonly BlockRange[]): Promise<readonly BackfillView[]> {
    const requests = await listRequests(this.#database.monitoring, { onlyRunning: true, chainId: this.#chainId });
    const views = await Promise.all(
      requests.map(async (request) => {
        const { blocksToDo } = await progressOf(this.#database.monitoring, request);
        return { id: request.id, from: request.from, to: request.to, blocksLeft: blocksToDo };
      }),
    );
    const history = historyOf(gaps);
    const all = history === undefined ? views : [history, ...views];
    const meters = new Map(all.map(({ id }) => [id, this.#meters.get(id) ?? new ProgressMeter(this.#now)]));
    this.#meters = meters;
    return all.map((view) => {
      const { blocks = view.blocksLeft, secondsLeft } = meters.get(view.id)?.read(view.blocksLeft, 0) ?? {};
      return { ...view, blocks, secondsLeft };
    });
  }
}

/** Returns the blocks that are missing for at least one contract, as one backfill. Undefined if none is missing. */
function historyOf(gaps: readonly BlockRange[]): Omit<BackfillView, 'blocks' | 'secondsLeft'> | undefined {
  const missing = union(gaps);
  const [first, last] = [missing[0], missing.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const blocksLeft = missing.reduce((blocks, { from, to }) => blocks + to - from + 1, 0);
  return { id: 'history', from: first.from, to: last.to, blocksLeft };
}
