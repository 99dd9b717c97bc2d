import { sql } from 'kysely';
import type { Database } from '../db/database.ts';
import { readSnapshot } from '../db/transaction.ts';
import type { Question } from '../protocols/shared/verification.ts';
import type { RegisteredContract } from '../registry/contracts.ts';
import type { Difference } from './difference.ts';
import type { ViewAnswer, ViewReader } from './multicall.ts';

/** The maximum number of keys, such as token ids or wallets, that are read from the database and asked of the chain together. */
export const PAGE_KEYS_MAX = 20_000;

/** The input of a comparison with the chain. */
export type ChainComparison = {
  readonly database: Database;
  readonly reader: ViewReader;
  /** The seed that determines the order in which keys are compared. */
  readonly seed: number;
};

/** A key, its place in the order that the seed determines, and its value according to facts. */
type Row = { readonly place: string; readonly key: string; readonly value: string };

/** Where a page of keys begins: after `key` at `place`, or after all keys at `place` if `key` is undefined. First page: undefined. */
export type PageStart =
  | {
      readonly place: bigint;
      readonly key: string | undefined;
      /** Maximum distance of the places of a page from `place`. With this bound PostgreSQL does not sort the keys of later pages. */
      readonly width: bigint;
    }
  | undefined;

/** The limits of a place, which is a hash of the key as a PostgreSQL `bigint`. */
const [PLACE_MIN, PLACE_MAX] = [-(2n ** 63n), 2n ** 63n - 1n];

/** A question to a contract, and the block as of which it is asked. A question is a view function whose answers are compared with facts. */
type Asked = { readonly contract: RegisteredContract; readonly question: Question; readonly block: number };

/** A limited number of the keys, such as token ids or wallets, about which a question is asked. */
export type Page = Asked & { readonly after: PageStart; readonly limit: number };

/** The result of comparing one page of keys. */
export type PageOutcome = {
  readonly compared: number;
  readonly differences: readonly Difference[];
  /** Where the next page begins. Undefined after the last page. */
  readonly next: PageStart;
  /** Whether the contract lacks the function, so that nothing was compared. */
  readonly isUnanswered: boolean;
};

/**
 * Computes the values of a page of keys from facts as of a block, and compares them with the chain's answers. The seed determines the
 * order of the keys, so the first keys are a random sample.
 *
 * Facts and answers of keys that differ are read and compared once more, because a fill may have been writing the facts.
 */
export async function comparePage(comparison: ChainComparison, page: Page, signal: AbortSignal): Promise<PageOutcome> {
  const { question, after } = page;
  const rows = await readPage(comparison, page);
  const keys = rows.map(({ key }) => key);
  if (question.isOptional === true && after === undefined) {
    const [answer] = await ask(comparison, page, keys.slice(0, 1), signal);
    const isUnanswered = keys.length > 0 && answer === undefined;
    if (isUnanswered) return { compared: 0, differences: [], next: undefined, isUnanswered };
  }
  const answers = await ask(comparison, page, keys, signal);
  const differing = rows.filter(({ value }, at) => !agrees(question, value, answers[at]));
  const differences = await confirm(
    comparison,
    page,
    differing.map(({ key }) => key),
    signal,
  );
  return { compared: rows.length, differences, next: startAfter(page, rows), isUnanswered: false };
}

/** Returns the chain's answer for each key, in the order of the keys. An answer that is not valid is undefined. */
async function ask(
  { reader }: ChainComparison,
  { contract, question, block }: Asked,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<readonly (string | undefined)[]> {
  const calls = keys.map((key) => question.call(contract.address, key));
  const answers = await reader.read(calls, block, signal);
  return keys.map((_, at) => answerOf(question, answers[at] ?? 'reverted'));
}

/** Reads and compares the keys that differed a second time. Returns the differences that remain. */
async function confirm(
  comparison: ChainComparison,
  asked: Asked,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<readonly Difference[]> {
  if (keys.length === 0) return [];
  const { contract, question, block } = asked;
  const values = await expectedFor(comparison.database, asked, keys);
  const answers = await ask(comparison, asked, keys, signal);
  const { chainId, address, kind } = contract;
  return keys.flatMap((key, at): Difference[] => {
    const [value, answer] = [values.get(key), answers[at]];
    if (agrees(question, value, answer)) return [];
    const where = {
      comparison: 'chain',
      chainId,
      kind,
      contract: address,
      table: null,
      column: question.name,
    } as const;
    return [{ ...where, key, stored: value ?? null, expected: answer ?? null, block }];
  });
}

/** Returns the chain's answer in the form of `Expectation.value`. Undefined if the answer is not valid. */
export function answerOf({ read, reverted }: Question, answer: ViewAnswer): string | undefined {
  return answer === 'reverted' ? reverted : read(answer);
}

/** Returns whether the value that follows from facts agrees with the chain's answer. False if one of them is undefined. */
export function agrees(question: Question, value: string | undefined, answer: string | undefined): boolean {
  if (value === undefined || answer === undefined) return false;
  return question.agrees?.(value, answer) ?? value === answer;
}

/** Returns the values of the given keys that follow from facts. Keys without a value are left out. */
export async function expectedFor(
  database: Database,
  { contract, question, block }: Asked,
  keys: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await readSnapshot(database, (tx) =>
    sql<Row>`
      select key, value from (${question.expected({ ...contract, block })}) expected where key = any(${keys}::text[])
    `.execute(tx),
  );
  return new Map(rows.map(({ key, value }) => [key, value]));
}

/** Returns the highest place that a page may contain. */
function lastPlace({ after }: Page): bigint {
  const end = after === undefined ? PLACE_MAX : after.place + after.width;
  return end < PLACE_MAX ? end : PLACE_MAX;
}

/** Returns where the page after the given one begins. Undefined after the last page. */
function startAfter(page: Page, rows: readonly Row[]): PageStart {
  const last = rows.at(-1);
  const place = BigInt(last?.place ?? PLACE_MIN);
  const width = page.after?.width ?? place - PLACE_MIN;
  if (last !== undefined && rows.length >= page.limit) return { place, key: last.key, width };
  const end = lastPlace(page);
  return end < PLACE_MAX ? { place: end, key: undefined, width } : undefined;
}

/** Reads a page of keys. PostgreSQL pushes the condition on `place` down to the facts, so it sorts only the facts of the page's keys. */
async function readPage({ database, seed }: ChainComparison, page: Page): Promise<readonly Row[]> {
  const { contract, question, block, after, limit } = page;
  const isAfter =
    after === undefined
      ? sql`true`
      : after.key === undefined
        ? sql`place > ${String(after.place)}::bigint`
        : sql`place >= ${String(after.place)}::bigint and (place, key) > (${String(after.place)}::bigint, ${after.key})`;
  const isBelow = after === undefined ? sql`true` : sql`place <= ${String(lastPlace(page))}::bigint`;
  const { rows } = await readSnapshot(database, (tx) =>
    sql<Row>`
      select place, key, value from (
        select hashtextextended(key, ${seed}::bigint) as place, key, value
        from (${question.expected({ ...contract, block })}) expected
      ) placed
      where ${isAfter} and ${isBelow} order by place, key limit ${limit}
    `.execute(tx),
  );
  return rows;
}
