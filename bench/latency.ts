import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { createWorld, type World } from '../demo/world.ts';
import { sleep } from '../indexer/kernel/sleep.ts';
import type { Anvil } from '../test/kit/anvil-node.ts';
import { quantile } from './quantile.ts';

/**
 * Measures the time from a block of a real node until its rows can be read: Anvil announces blocks of the demo's traffic over a
 * WebSocket, the daemon follows them, and the head in PostgreSQL is read every millisecond. Prints one line of JSON.
 *
 * usage: node bench/latency.ts [--blocks N] [--seed S]
 */
const PAUSE_MS = 50;
const POLL_INTERVAL_MS = 1;
const BLOCK_TIMEOUT_MS = 30_000;
const ACTIONS_PER_BLOCK = 3;
const WARM_UP_BLOCKS = 20;

const { values: flags } = parseArgs({
  options: { blocks: { type: 'string', default: '500' }, seed: { type: 'string', default: '1' } },
});
const [blocks, seed] = [Number(flags.blocks), Number(flags.seed)];

const releases = new AsyncDisposableStack();
try {
  const { announced, mined } = await measure(releases);
  const report = { blocks, seed, announcedToReadableMs: summaryOf(announced), minedToReadableMs: summaryOf(mined) };
  process.stdout.write(`${JSON.stringify(report)}\n`);
} finally {
  await releases.disposeAsync();
}

/** Returns the times of all blocks, in milliseconds. */
async function measure(stack: AsyncDisposableStack): Promise<{ announced: number[]; mined: number[] }> {
  const program = fileURLToPath(new URL('../indexer/bin.ts', import.meta.url));
  const onStep = (text: string): void => void process.stderr.write(`${text}\n`);
  const world = await createWorld({ seed, program, onStep }, stack, new AbortController().signal);
  const client = new pg.Client({ connectionString: world.databaseUrl });
  await client.connect();
  stack.defer(() => client.end());
  const announcements = await subscribe(world.anvil);
  stack.defer(() => announcements.close());
  const [announced, mined]: [number[], number[]] = [[], []];
  for (let done = -WARM_UP_BLOCKS; done < blocks; done++) {
    await sleep(PAUSE_MS);
    const { announcedMs, minedMs } = await measureBlock(world, client, announcements);
    if (done < 0) continue;
    announced.push(announcedMs);
    mined.push(minedMs);
  }
  return { announced, mined };
}

/** Measures how long a block takes until it can be read: from its announcement to this process, and from the order to mine it. */
async function measureBlock(
  { anvil, traffic }: World,
  db: pg.Client,
  announcements: Announcements,
): Promise<{ announcedMs: number; minedMs: number }> {
  for (let left = ACTIONS_PER_BLOCK; left > 0; left--) await traffic.step();
  const block = Number(await anvil.client.getBlockNumber()) + 1;
  const startedAt = performance.now();
  const mined = anvil.mine();
  await untilHead(db, block);
  const readableAt = performance.now();
  await mined;
  const announcedAt = announcements.at.get(block) ?? Number.NaN;
  return { announcedMs: readableAt - announcedAt, minedMs: readableAt - startedAt };
}

/** Waits until the head is at a block. Its rows can then be read too, because they commit in one transaction with the head. */
async function untilHead(db: pg.Client, block: number): Promise<void> {
  const query = { name: 'head', text: 'select max(head_number) as head from indexer.chains' };
  for (const startedAt = performance.now(); performance.now() - startedAt < BLOCK_TIMEOUT_MS; ) {
    const { rows } = await db.query<{ head: string | null }>(query);
    if (Number(rows[0]?.head ?? -1) >= block) return;
    await sleep(POLL_INTERVAL_MS);
  }
  throw new Error(`the daemon did not reach block ${block} in ${BLOCK_TIMEOUT_MS} ms`);
}

/** The time of each announcement by block number, as `performance.now()` gives it. */
type Announcements = { readonly at: ReadonlyMap<number, number>; close(): void };

/** Subscribes to new heads, as the daemon does. */
async function subscribe(anvil: Anvil): Promise<Announcements> {
  const at = new Map<number, number>();
  const socket = new WebSocket(anvil.wsUrl);
  await once(socket, 'open');
  socket.addEventListener('message', ({ data }) => {
    const { params } = JSON.parse(String(data)) as { params?: { result: { number: string } } };
    if (params !== undefined) at.set(Number(params.result.number), performance.now());
  });
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] }));
  return { at, close: () => socket.close() };
}

function summaryOf(values: readonly number[]): Record<'median' | 'p99' | 'max', number> {
  const rounded = (share: number): number => Math.round(quantile(values, share) * 10) / 10;
  return { median: rounded(0.5), p99: rounded(0.99), max: rounded(1) };
}
