import { cpus } from 'node:os';
import { startBackfill } from './backfill.ts';
import type { Chain } from './chain.ts';
import { checkDatabase } from './check.ts';
import { startIndexing } from './indexing-process.ts';
import type { Server } from './server.ts';
import { busyMs } from './usage.ts';
import { environment } from './world.ts';

/** The speed of several processes over the same chain, with a node that answers after `latencyMs`. */
export type WorkersResult = {
  readonly latencyMs: number;
  readonly processes: number;
  readonly eventsPerSecond: number;
  /** CPU time of PostgreSQL as a share of the machine's CPU time. */
  readonly postgresShare: number;
  /** CPU time of all programs as a share of the machine's CPU time. */
  readonly busyShare: number;
};

const PROCESSES = [1, 2] as const;
/** No latency, and the latency of an endpoint on another continent. */
const LATENCIES_MS = [0, 100] as const;

/** Measures `indexer backfill` alone and beside an `indexer worker`, at each latency. */
export async function measureWorkers(
  server: Server,
  chain: Chain,
  { blocks, events }: { readonly blocks: number; readonly events: number },
): Promise<WorkersResult[]> {
  const results: WorkersResult[] = [];
  for (const latencyMs of LATENCIES_MS) {
    for (const processes of PROCESSES) {
      const url = await server.createDatabase('workers');
      await chain.moveTo(blocks, blocks);
      await chain.delayAnswers(latencyMs);
      await server.settle();
      const [cpuBefore, busyBefore] = [await server.cpuMs(), await busyMs()];
      const command = startBackfill(url, chain.httpUrl);
      const workers = Array.from({ length: processes - 1 }, () =>
        startIndexing(['worker'], environment(url, chain.httpUrl)),
      );
      await command.finished();
      const endedAt = performance.timeOrigin + performance.now();
      const postgresCpuMs = (await server.cpuMs()) - cpuBefore;
      const allCpuMs = (await busyMs()) - busyBefore;
      const startedAt = await chain.firstLogsAt();
      for (const worker of workers) await worker.stop();
      await chain.delayAnswers(0);
      await checkDatabase(url, await chain.expectedAfter(blocks));
      await server.dropDatabase('workers');
      if (startedAt === undefined) throw new Error('the backfill requested no logs');
      const wallMs = endedAt - startedAt;
      results.push({
        latencyMs,
        processes,
        eventsPerSecond: events / (wallMs / 1_000),
        postgresShare: postgresCpuMs / (wallMs * cpus().length),
        busyShare: allCpuMs / (wallMs * cpus().length),
      });
    }
  }
  return results;
}
