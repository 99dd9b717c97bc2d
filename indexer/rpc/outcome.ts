import type { BatchOutcome, Call, Failure, Outcome } from './transport.ts';

/** What HTTP said about an answer; over WebSocket nothing. */
export type HttpAnswer = { readonly status: number; readonly retryAfter: string | null };

/** The text of a request. The ids of a batch count up from `id`. */
export function bodyOf(calls: Call | readonly Call[], id: number): string {
  const member = ({ method, params }: Call, index: number) => ({ jsonrpc: '2.0', id: id + index, method, params });
  return JSON.stringify(isBatch(calls) ? calls.map(member) : member(calls, 0));
}

function isBatch(calls: Call | readonly Call[]): calls is readonly Call[] {
  return Array.isArray(calls);
}

/** The result, where there is one and no error beside it: an error body is never an empty result. */
export function outcomeOf(answer: unknown, http?: HttpAnswer): Outcome {
  const { result, error } = membersOf(answer);
  if (error !== undefined && error !== null) return { failure: answered(error, http) };
  if (result !== undefined) return { result };
  return { failure: { how: 'broken', text: `an answer without a result: ${JSON.stringify(answer)?.slice(0, 200)}` } };
}

/**
 * The outcomes of a batch whose ids count up from `id`, in the order of its calls. One error instead of the answers (bare, or
 * alone in an array as geth has it) is the failure of all; answers that are not exactly one for each call are believed for
 * none.
 */
export function batchOutcomeOf(answer: unknown, id: number, calls: number, http?: HttpAnswer): BatchOutcome {
  if (Array.isArray(answer) && answer.length === calls) {
    const outcomes = new Array<Outcome | undefined>(calls).fill(undefined);
    for (const one of answer) {
      const index = Number(membersOf(one).id) - id;
      if (!(index in outcomes) || outcomes[index] !== undefined)
        return mismatched('an answer whose id was not asked for');
      outcomes[index] = outcomeOf(one, http);
    }
    return { outcomes: outcomes as Outcome[] };
  }
  const outcome = Array.isArray(answer) && answer.length !== 1 ? undefined : outcomeOf([answer].flat()[0], http);
  if (outcome !== undefined && 'failure' in outcome) return outcome;
  return mismatched(`not one answer for each of ${calls} calls`);
}

function mismatched(text: string): BatchOutcome {
  return { failure: { how: 'mismatched', text } };
}

/** The failure that an answer's `error` stands for. */
export function answered(error: unknown, http: HttpAnswer | undefined): Failure {
  const { code, message, data } = typeof error === 'object' ? membersOf(error) : { message: error };
  const text = typeof message === 'string' ? message : JSON.stringify(error);
  return {
    how: 'answered',
    ...httpOf(http),
    code: typeof code === 'number' ? code : undefined,
    // Some say in `data` what the message leaves out (Besu, Nethermind); contract data of a revert is of no use here.
    text: typeof data === 'string' && !data.startsWith('0x') ? `${text} ${data}` : text,
  };
}

/** A failure's status, where it is one, and how long to wait. */
export function httpOf(http: HttpAnswer | undefined): Pick<Failure, 'status' | 'retryAfter'> {
  if (http === undefined) return {};
  const { status, retryAfter } = http;
  return isOk(status) ? { retryAfter } : { status, retryAfter };
}

export function isOk(status: number): boolean {
  return status >= 200 && status < 300;
}

type Members = Readonly<Record<'id' | 'result' | 'error' | 'code' | 'message' | 'data', unknown>>;

export function membersOf(raw: unknown): Partial<Members> {
  return typeof raw === 'object' && raw !== null ? (raw as Partial<Members>) : {};
}
