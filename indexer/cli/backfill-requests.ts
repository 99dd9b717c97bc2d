import type { Command } from 'commander';
import type { RecordedRequest } from '../backfill/requests.ts';
import type { Database } from '../db/database.ts';
import { UsageError } from '../kernel/errors.ts';
import { positiveNumber, uuid } from './arguments.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { withSession } from './session.ts';

/**
 * The option `--chain`. The parent command `backfill` has the same option, and Commander stores the value with the options of the parent,
 * so it must be read with `optsWithGlobals`.
 */
type OfChain = { readonly chain?: number };

/** `indexer backfill status`: shows requests, their progress, and the ranges that failed. */
export function addBackfillStatus(backfill: Command, io: Io): void {
  backfill
    .command('status')
    .description('show backfill requests, their progress, and the ranges that failed')
    .option('--chain <id>', 'only the requests of this chain', positiveNumber)
    .action(async (_: unknown, command: Command) => {
      const { chain, ...options } = command.optsWithGlobals<GlobalOptions & OfChain>();
      await withSession(io, options, {}, async ({ database }) => {
        const { listRequests } = await import('../backfill/requests.ts');
        const requests = [];
        for (const request of await listRequests(database.kysely, { onlyRunning: false, chainId: chain }))
          requests.push(await stateOf(database, request));
        const lines = requests.flatMap(linesOf);
        printResult(io, options, { requests }, lines.length > 0 ? lines : ['no requests']);
      });
    });
}

/** `indexer backfill cancel`: cancels running requests. Blocks that are already filled stay. */
export function addBackfillCancel(backfill: Command, io: Io): void {
  backfill
    .command('cancel')
    .description(
      'cancel running requests; filled blocks stay, and a daemon continues to fill the contracts that it follows',
    )
    .argument('[id]', 'the id of a request, from `indexer backfill status` (default: all running requests)', uuid)
    .option('--chain <id>', 'only the requests of this chain', positiveNumber)
    .action(async (id: string | undefined, _: unknown, command: Command) => {
      const { chain, ...options } = command.optsWithGlobals<GlobalOptions & OfChain>();
      await withSession(io, options, {}, async ({ database }) => {
        const { endRequest, listRequests } = await import('../backfill/requests.ts');
        const running = await listRequests(database.kysely, { onlyRunning: true, chainId: chain });
        const selected = running.filter((request) => id === undefined || request.id === id);
        if (id !== undefined && selected.length === 0) throw new UsageError(`no request ${id} is running`);
        for (const request of selected) await endRequest(database.kysely, request.id, 'cancelled');
        const lines = selected.map((request) => `cancelled ${request.id}`);
        const cancelled = selected.map((request) => request.id);
        printResult(io, options, { cancelled }, lines.length > 0 ? lines : ['no request is running']);
      });
    });
}

async function stateOf({ kysely }: Database, request: RecordedRequest) {
  const { failedIn, progressOf } = await import('../backfill/requests.ts');
  const blocksLeft = request.status === 'finished' ? 0 : (await progressOf(kysely, request)).blocksLeft;
  return { ...request, blocksLeft, dead: await failedIn(kysely, request.chainId, request) };
}

function linesOf(request: Awaited<ReturnType<typeof stateOf>>): readonly string[] {
  const { id, chainId, from, to, contracts, status, createdAt, blocksLeft, dead } = request;
  return [
    `${id}  ${status.padEnd(9)}  chain ${chainId}  blocks ${from} to ${to}${contracts === null ? '' : ` of ${contracts.length} contracts`}`,
    `  requested ${createdAt.toISOString()}, ${blocksLeft} blocks left`,
    ...dead.map((range) => `  gave up on ${range.from}-${range.to}: ${range.reason}`),
  ];
}
