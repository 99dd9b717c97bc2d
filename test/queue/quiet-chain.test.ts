import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Daemon } from '../kit/daemon.ts';
import { headOf } from '../kit/oracle/check-database.ts';
import { busyChain, createScene } from '../kit/scene.ts';
import { until } from '../kit/until.ts';

/** Until this block, bounded caches fill and V8 compiles, so the heap still grows. */
const WARM_UP_BLOCKS = 5_000;
/** The heap is measured after each interval. On a chain with a block every 2 s, all intervals would take 2.2 hours. */
const INTERVALS = 5;
const INTERVAL_BLOCKS = 800;
const BLOCK_INTERVAL_MS = 5;
const POLL_INTERVAL_MS = 10;
/** A leak of 330 bytes for each block exceeds this. */
const GROWTH_MAX_MIB = 0.25;

/** Writes a module that collects garbage at SIGUSR2 and writes the bytes in use to `path`. */
function heapProbe(): { readonly module: string; readonly path: string } {
  const directory = mkdtempSync(join(tmpdir(), 'heap-probe-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const [module, path] = [join(directory, 'probe.cjs'), join(directory, 'heap')];
  writeFileSync(
    module,
    `require('node:v8').setFlagsFromString('--expose-gc');
     const gc = require('node:vm').runInNewContext('gc');
     process.on('SIGUSR2', () => {
       gc(); gc();
       require('node:fs').writeFileSync(${JSON.stringify(path)}, String(process.memoryUsage().heapUsed));
     });`,
  );
  return { module, path };
}

test('a daemon that follows thousands of quiet blocks holds its memory', async () => {
  const { chain, env, db } = await createScene({ chain: busyChain() });
  const probe = heapProbe();
  const daemon = await Daemon.start(
    { ...env, NODE_OPTIONS: `--require ${probe.module}` },
    { pollIntervalMs: POLL_INTERVAL_MS },
  );
  const timer = setInterval(() => chain.mine(1), BLOCK_INTERVAL_MS);
  onTestFinished(() => clearInterval(timer));
  const follow = (block: number) =>
    until(`block ${block}`, async () => ((await headOf(db, chain.chainId))?.number ?? 0) >= block);
  const heapMib = async () => {
    rmSync(probe.path, { force: true });
    daemon.signal('SIGUSR2');
    return until('the heap', () => existsSync(probe.path) && Number(readFileSync(probe.path, 'utf8')) / 2 ** 20);
  };
  const heaps: number[] = [];
  for (let interval = 0; interval <= INTERVALS; interval++) {
    await follow(WARM_UP_BLOCKS + interval * INTERVAL_BLOCKS);
    heaps.push(await heapMib());
  }
  clearInterval(timer);
  process.stderr.write(
    `heap in use every ${INTERVAL_BLOCKS} blocks: ${heaps.map((mib) => mib.toFixed(2)).join(', ')} MiB\n`,
  );
  // A leak shows in every interval. Memory that is allocated or freed only once shows in one interval.
  const growths = heaps.slice(1).map((mib, at) => mib - (heaps[at] ?? 0));
  expect(growths.toSorted((a, b) => a - b)[Math.floor(INTERVALS / 2)]).toBeLessThan(GROWTH_MAX_MIB);
});
