import { randomInt } from 'node:crypto';
import { IndexerError } from '../indexer/kernel/errors.ts';
import { sleep } from '../indexer/kernel/sleep.ts';
import { type Figures, readFigures } from './figures.ts';
import { live, type News } from './life.ts';
import { createShow, type Screen, type Show } from './show.ts';
import { summarise } from './summary.ts';
import { createWorld, type World } from './world.ts';

/** How a demo runs and when it ends. */
export type DemoOptions = {
  /** Ends by itself after so many seconds of traffic, with a comparison; undefined: runs until told to stop. */
  readonly seconds: number | undefined;
  /** Decides what happens; drawn where it is not given. */
  readonly seed: number | undefined;
  readonly json: boolean;
  /** Path of the bin whose `start` is the daemon. */
  readonly program: string;
};

const SEED_BOUND = 2 ** 31;
const NEWS_KEPT = 6;
const RATES_KEPT = 40;

/**
 * Runs everything embedded, with the real daemon over it, and shows what happens. Whatever way it ends, it leaves no process and
 * no file behind; only the log of a daemon that failed stays, and its path is told.
 *
 * @returns whether the database equalled the chain at the end; true when the signal ended it before that was asked
 */
export async function runDemo(options: DemoOptions, screen: Screen, signal: AbortSignal): Promise<boolean> {
  const show = createShow(screen, options.json);
  const releases = new AsyncDisposableStack();
  releases.defer(() => show.close());
  try {
    return await play(options, show, releases, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    show.step('stopped');
    return true;
  } finally {
    await releases.disposeAsync();
  }
}

async function play(
  { seconds, seed = randomInt(SEED_BOUND), program }: DemoOptions,
  show: Show,
  releases: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<boolean> {
  const world = await createWorld({ seed, program, onStep: show.step }, releases, signal);
  show.places({ databaseUrl: world.databaseUrl, rpcUrl: world.anvil.url });
  const failing = AbortSignal.any([signal, world.daemon.ended]);
  await showLife(world, { seconds, seed, show }, failing);
  failing.throwIfAborted();
  show.step('the traffic has stopped; comparing the database with the chain');
  const summary = await untilAborted(summarise(world, failing), failing);
  show.summary(summary);
  if (!summary.equal) show.step(`seed ${seed}; the indexer's log: ${world.daemon.keepLog()}`);
  return summary.equal;
}

/** Traffic and its picture side by side, until the time is over, somebody says stop, or one of them fails. */
async function showLife(
  world: World,
  { seconds, seed, show }: { readonly seconds: number | undefined; readonly seed: number; readonly show: Show },
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const news: News[] = [];
  const rates: number[] = [];
  const started = performance.now();
  let secondsSeen = 0;
  const onNews = (item: News): void => {
    news.push(item);
    if (news.length > NEWS_KEPT) news.shift();
  };
  const onFigures = (figures: Figures): void => {
    const elapsedSeconds = (performance.now() - started) / 1_000;
    if (elapsedSeconds >= secondsSeen + 1) {
      secondsSeen = Math.floor(elapsedSeconds);
      rates.push(figures.eventsInLastSecond);
      if (rates.length > RATES_KEPT) rates.shift();
    }
    show.moment({ figures, elapsedSeconds, seconds, seed, rates, news });
  };
  const ending = (work: Promise<void>): Promise<void> => work.finally(() => over.abort());
  await Promise.all([
    ending(live(world, seed, onNews, either)),
    ending(watchFigures(world, show.intervalMs, onFigures, either)),
    ...(seconds === undefined ? [] : [ending(sleep(seconds * 1_000, either))]),
  ]);
}

async function watchFigures(
  { db, anvil }: World,
  intervalMs: number,
  onFigures: (figures: Figures) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const started = performance.now();
    const chainHead = Number(await anvil.client.getBlockNumber());
    onFigures(await readFigures(db, anvil.chainId, chainHead));
    await sleep(Math.max(0, intervalMs - (performance.now() - started)), signal);
  }
}

/** Work that cannot be stopped is left alone when the signal aborts. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason ?? new IndexerError('stopped'));
  signal.addEventListener('abort', abort, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', abort));
}
