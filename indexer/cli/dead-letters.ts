import type { Command } from 'commander';
import type { RetriedLetters } from '../ingest/retry-letters.ts';
import { type Hex, kindName } from '../kernel/chain.ts';
import { IndexerError, UsageError } from '../kernel/errors.ts';
import { union } from '../kernel/ranges.ts';
import type { Letter, LetterSelection, ListedLetter, LogLetter, RangeLetter } from '../progress/dead-letter-rows.ts';
import { address, configuredChain, positiveNumber, uuid } from './arguments.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { openSource } from './open-source.ts';
import { type Session, withSession } from './session.ts';

const LISTED_DEFAULT = 50;
/** The maximum number of dead letters that one command retries. */
const RETRIED_MAX = 10_000;
/** The maximum number of logs that a retry lists as still not decodable. */
const KEPT_LISTED_MAX = 20;

type Given = { readonly chain?: number; readonly contract?: Hex };

/** `indexer dead-letters`: lists, retries or deletes the logs that could not be decoded and the ranges that could not be filled. */
export function addDeadLetters(program: Command, io: Io): void {
  const letters = program
    .command('dead-letters')
    .description('list, retry or drop the logs that could not be decoded and the ranges that could not be filled');
  addList(letters, io);
  addRetry(letters, io);
  addDrop(letters, io);
}

function addList(letters: Command, io: Io): void {
  selecting(letters.command('list'))
    .description('list dead letters with their reasons; with --json also the complete logs')
    .option('--limit <n>', 'list at most this many', positiveNumber, LISTED_DEFAULT)
    .action(async (ids: readonly string[], given: Given & { readonly limit: number }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(io, options, {}, async ({ database }) => {
        const { listLetters } = await import('../progress/dead-letter-rows.ts');
        const listed = await listLetters(database.kysely, selectionOf(ids, given), given.limit);
        refuseUnknown(ids, listed.letters, given.limit);
        const more = listed.total - listed.letters.length;
        const lines = [
          ...listed.letters.flatMap(linesOf),
          ...(more > 0 ? [`and ${more} more; list them with --limit ${listed.total}`] : []),
        ];
        const result = { deadLetters: listed.letters, total: listed.total };
        printResult(io, options, result, lines.length > 0 ? lines : ['no dead letters']);
      });
    });
}

function addRetry(letters: Command, io: Io): void {
  selecting(letters.command('retry'))
    .description('decode logs again, and fill ranges again; it is safe to repeat and to run while a daemon runs')
    .addHelpText(
      'after',
      `
Logs are decoded again from the receipts of their blocks, so each of their chains needs an endpoint. Ranges are
requested like those of \`indexer backfill --detach\`: a running daemon or worker fills them.

Exits with 1 if a log is left that still cannot be decoded.`,
    )
    .action(async (ids: readonly string[], given: Given, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(io, options, {}, async (session) => {
        const { findLetters } = await import('../progress/dead-letter-rows.ts');
        const found = await findLetters(session.database.kysely, selectionOf(ids, given), RETRIED_MAX);
        refuseUnknown(ids, found);
        const logs = await retryLogs(io, session, found.filter(isLog));
        const requested = await requestRanges(session, found.filter(isRange));
        const kept = logs.kept.map((letter) => ({ ...letter, reason: io.redact(letter.reason) }));
        const lines = [
          ...(logs.gone > 0 ? [`${logs.gone} logs decoded, or unwound with their blocks`] : []),
          ...requested.map(({ chainId, from, to }) => `blocks ${from}-${to} of chain ${chainId} requested again`),
          ...kept.slice(0, KEPT_LISTED_MAX).map((letter) => `left: ${describe(letter)}: ${letter.reason}`),
          ...(kept.length > KEPT_LISTED_MAX ? [`left: and ${kept.length - KEPT_LISTED_MAX} more logs`] : []),
          ...(found.length === RETRIED_MAX ? [`only the first ${RETRIED_MAX} were retried; repeat the command`] : []),
        ];
        const result = { gone: logs.gone, requested, kept };
        printResult(io, options, result, lines.length > 0 ? lines : ['no dead letters']);
        if (kept.length > 0) throw new IndexerError(`${kept.length} logs still cannot be decoded`);
      });
    });
}

function addDrop(letters: Command, io: Io): void {
  selecting(letters.command('drop'))
    .description('delete dead letters; their logs and blocks stay missing')
    .option('--all', 'delete all dead letters, or all of the chain and contract that are named')
    .addHelpText(
      'after',
      `
Name dead letters by their ids, or use --all. The log of a dropped letter is found again when its block is read again: when the block
is proved or repaired, or when the history of the contract is read again. A dropped range is still missing and is planned again.`,
    )
    .action(async (ids: readonly string[], given: Given & { readonly all?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      if (given.all === true && ids.length > 0) throw new UsageError('--all and ids exclude each other');
      if (given.all !== true && ids.length === 0)
        throw new UsageError('name dead letters by their ids, or all of them: --all');
      await withSession(io, options, {}, async ({ database }) => {
        const [{ deleteLetters }, { transaction }] = await Promise.all([
          import('../progress/dead-letter-rows.ts'),
          import('../db/transaction.ts'),
        ]);
        const dropped = await transaction(database, async (tx) => {
          const deleted = await deleteLetters(tx, selectionOf(ids, given));
          refuseUnknown(ids, deleted);
          return deleted;
        });
        const line = dropped.length === 0 ? 'no dead letters' : `${dropped.length} dead letters dropped`;
        printResult(io, options, { dropped: dropped.map(({ id }) => id) }, [line]);
      });
    });
}

function selecting(command: Command): Command {
  return command
    .argument('[ids...]', 'only the dead letters with these ids', (id: string, before?: readonly string[]) => [
      ...(before ?? []),
      uuid(id),
    ])
    .option('--chain <id>', 'only those of this chain', positiveNumber)
    .option('--contract <address>', 'only the logs of this contract', address);
}

function selectionOf(ids: readonly string[], { chain, contract }: Given): LetterSelection {
  return { chainId: chain, contract, ids: ids.length === 0 ? undefined : ids };
}

/**
 * Throws `UsageError` if the user named an id that no dead letter in `found` has. Does not check this if `found` has reached the limit,
 * because the dead letter with this id may then be left out.
 */
function refuseUnknown(ids: readonly string[], found: readonly Letter[], limit = Number.POSITIVE_INFINITY): void {
  if (found.length >= limit) return;
  const known = new Set(found.map(({ id }) => id));
  const unknown = ids.filter((id) => !known.has(id));
  if (unknown.length > 0) throw new UsageError(`no such dead letter: ${unknown.join(', ')}`);
}

/** Decodes logs again, chain by chain. Throws `UsageError` if one of the chains is not configured. */
async function retryLogs(io: Io, { config, ...session }: Session, letters: readonly LogLetter[]) {
  const byChain = [...Map.groupBy(letters, ({ chainId }) => chainId)].map(
    ([chainId, own]) => [configuredChain(chainId, config), own] as const,
  );
  const [{ retryLetters }, { advanceStages, Stride }, { stages }] = await Promise.all([
    import('../ingest/retry-letters.ts'),
    import('../stages/advance-stages.ts'),
    import('../stages/stages.ts'),
  ]);
  let retried: RetriedLetters = { gone: 0, kept: [] };
  for (const [chain, own] of byChain) {
    const { chainId } = chain;
    const source = await openSource(chain, session, io.runtime);
    try {
      await source.checkChainId(io.signal);
      const { database, log } = session;
      const { gone, kept } = await retryLetters(
        { database, log, source, chainId, random: io.runtime.random },
        own,
        io.signal,
      );
      retried = { gone: retried.gone + gone, kept: [...retried.kept, ...kept] };
      // Replacing letters by facts unwinds stages (state that is derived after a commit). If no daemon runs, only this command can
      // advance them again.
      for (const { name, error } of await advanceStages(database, { chainId, stages }, new Stride(io.runtime.now)))
        log.error({ chain: chainId, stage: name, err: error }, 'stage failed: its derived tables are not up to date');
    } finally {
      await source.close();
    }
  }
  return retried;
}

/** Requests the blocks of failed ranges again. Ranges that touch are requested together. */
async function requestRanges({ database }: Session, letters: readonly RangeLetter[]) {
  const [{ recordRequest }, { randomUUID }] = await Promise.all([
    import('../backfill/requests.ts'),
    import('node:crypto'),
  ]);
  const requests = [];
  for (const [chainId, own] of Map.groupBy(letters, (letter) => letter.chainId)) {
    for (const { from, to } of union(own)) {
      const request = { id: randomUUID(), chainId, from, to, contracts: null };
      requests.push(await recordRequest(database.kysely, request));
    }
  }
  return requests;
}

function isLog(letter: Letter): letter is LogLetter {
  return letter.kind === 'log';
}

function isRange(letter: Letter): letter is RangeLetter {
  return letter.kind === 'job';
}

function describe(letter: Letter): string {
  if (letter.kind === 'job') return `${letter.id} blocks ${letter.from}-${letter.to} of chain ${letter.chainId}`;
  const { id, contractKind, contract, chainId, block } = letter;
  return `${id} log of ${kindName(contractKind)} ${contract} in block ${block} of chain ${chainId}`;
}

function linesOf(letter: ListedLetter): readonly string[] {
  const heading = `${describe(letter)} (${letter.createdAt.toISOString()})`;
  const reason = `  ${letter.reason}`;
  if (letter.kind === 'job') return [heading, reason];
  const { logIndex, transactionHash, topics } = letter;
  return [heading, `  log ${logIndex} of transaction ${transactionHash}, topic0 ${topics[0] ?? 'none'}`, reason];
}
