import { type Command, InvalidArgumentError } from 'commander';
import type { RecordedRequest } from '../backfill/requests.ts';
import type { Database } from '../db/database.ts';
import { UsageError } from '../kernel/errors.ts';
import { UUID } from '../kernel/patterns.ts';
import { wholeNumber } from './arguments.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { withSession } from './session.ts';

/** `backfill` itself takes the option too, and is the one that gets it. */
type OfChain = { readonly chain?: number };

/** `indexer backfill status`: what was asked for, how far it is, what was given up on. */
export function addBackfillStatus(backfill: Command, io: Io): void {
  backfill
    .command('status')
    .description('what was asked for, how far it is, and what was given up on')
    .option('--chain <id>', 'only those of one chain', wholeNumber)
    .action(async (_: unknown, command: Command) => {
      const { chain, ...options } = command.optsWithGlobals<GlobalOptions & OfChain>();
      await withSession(io, options, {}, async ({ database }) => {
        const { listRequests } = await import('../backfill/requests.ts');
        const requests = [];
        for (const request of await listRequests(database.kysely, { onlyRunning: false, chainId: chain }))
          requests.push(await stateOf(database, request));
        const lines = requests.flatMap(linesOf);
        printResult(io, options, { requests }, lines.length > 0 ? lines : ['nothing was asked for']);
      });
    });
}

/** `indexer backfill cancel`: what runs is not planned any more; what is filled stays. */
export function addBackfillCancel(backfill: Command, io: Io): void {
  backfill
    .command('cancel')
    .description('end requests that run; what was filled stays, and a daemon goes on filling what it follows')
    .argument('[id]', 'only this one, as `indexer backfill status` names it', requestId)
    .option('--chain <id>', 'only those of one chain', wholeNumber)
    .action(async (id: string | undefined, _: unknown, command: Command) => {
      const { chain, ...options } = command.optsWithGlobals<GlobalOptions & OfChain>();
      await withSession(io, options, {}, async ({ database }) => {
        const { endRequest, listRequests } = await import('../backfill/requests.ts');
        const running = await listRequests(database.kysely, { onlyRunning: true, chainId: chain });
        const meant = running.filter((request) => id === undefined || request.id === id);
        if (id !== undefined && meant.length === 0) throw new UsageError(`no request ${id} runs`);
        for (const request of meant) await endRequest(database.kysely, request.id, 'cancelled');
        const lines = meant.map((request) => `cancelled ${request.id}`);
        const cancelled = meant.map((request) => request.id);
        printResult(io, options, { cancelled }, lines.length > 0 ? lines : ['nothing runs']);
      });
    });
}

function requestId(text: string): string {
  if (!UUID.test(text)) throw new InvalidArgumentError('It must be a UUID.');
  return text.toLowerCase();
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
    `  asked for ${createdAt.toISOString()}, ${blocksLeft} blocks left`,
    ...dead.map((range) => `  gave up on ${range.from}-${range.to}: ${range.reason}`),
  ];
}
