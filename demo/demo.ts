import { randomInt } from 'node:crypto';
import { IndexerError } from '../indexer/kernel/errors.ts';
import { sleep } from '../indexer/kernel/sleep.ts';
import { type Figures, readFigures } from './figures.ts';
import { createShow, type Screen, type Show } from './show.ts';
import { summarise } from './summary.ts';
import { generateTraffic, type News } from './traffic.ts';
import { verifyMirror } from './verify-mirror.ts';
import { createWorld, type World } from './world.ts';

/** How a demo runs and when it ends. */
export type DemoOptions = {
  /** After how many seconds of traffic the demo ends with a comparison. Undefined: it runs until it is stopped. */
  readonly seconds: number | undefined;
  /** The seed of the traffic. Undefined: a random one. */
  readonly seed: number | undefined;
  readonly json: boolean;
  /** Path of the executable whose `start` command is the daemon. */
  readonly program: string;
};

const SEED_BOUND = 2 ** 31;
const NEWS_KEPT = 6;
const RATES_KEPT = 40;

/**
 * Runs PostgreSQL, a chain, traffic and the real daemon, and shows what happens. However it ends, it leaves no process and no
 * file behind, except for the log of a failed daemon, whose path it shows.
 *
 * @returns whether the database equalled the chain at the end, or true if the signal ended the demo before the comparison
 */
export async function runDemo(options: DemoOptions, screen: Screen, signal: AbortSignal): Promise<boolean> {
  const show = createShow(screen, options.json);
  const releases = new AsyncDisposableStack();
  releases.defer(() => show.close());
  try {
    return await runAndCompare(options, show, releases, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    show.step('stopped');
    return true;
  } finally {
    await releases.disposeAsync();
  }
}

async function runAndCompare(
  { seconds, seed = randomInt(SEED_BOUND), program }: DemoOptions,
  show: Show,
  releases: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<boolean> {
  const world = await createWorld({ seed, program, onStep: show.step }, releases, signal);
  show.places({ databaseUrl: world.databaseUrl, rpcUrl: world.anvil.url, pageUrl: world.pageUrl });
  const failing = AbortSignal.any([signal, world.daemon.ended]);
  await showTraffic(world, { seconds, seed, show }, failing);
  failing.throwIfAborted();
  show.step('the traffic has stopped; comparing the database with the chain');
  const compared = await untilAborted(summarise(world, failing), failing);
  show.step('asking the contracts themselves (indexer verify --all)');
  const verified = await untilAborted(verifyMirror(world, failing), failing);
  const differences = [...compared.differences, ...verified.differences];
  const summary = { ...compared, equal: differences.length === 0, differences, verified };
  show.summary(summary);
  if (!summary.equal) show.step(`seed ${seed}; the indexer's log: ${world.daemon.keepLog()}`);
  return summary.equal;
}

/** Runs the traffic and shows figures until the time is over, the signal aborts, or either of them fails. */
async function showTraffic(
  world: World,
  { seconds, seed, show }: { readonly seconds: number | undefined; readonly seed: number; readonly show: Show },
  signal: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
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
  const endAllAfter = (work: Promise<void>): Promise<void> => work.finally(() => ended.abort());
  await Promise.all([
    endAllAfter(generateTraffic(world, seed, onNews, stop)),
    endAllAfter(watchFigures(world, show.intervalMs, onFigures, stop)),
    ...(seconds === undefined ? [] : [endAllAfter(sleep(seconds * 1_000, stop))]),
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

/** Waits for work that cannot be aborted, and throws when the signal aborts first. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason ?? new IndexerError('stopped'));
  signal.addEventListener('abort', abort, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', abort));
}
