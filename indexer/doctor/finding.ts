import { messageOf } from '../kernel/errors.ts';
import { within } from '../kernel/sleep.ts';

/** How long one check may take. */
const CHECK_TIMEOUT_MS = 15_000;

/** What a check found. `warning`: the indexer works with restrictions. `failed`: it does not work until what was found is corrected. */
export type Status = 'ok' | 'warning' | 'failed';

/** One check, and what it found. The texts may contain secrets. */
export type Finding = {
  /** What was checked: `configuration`, `database`, `queue`, `endpoints`, or the setting that names an endpoint. */
  readonly subject: string;
  readonly check: string;
  readonly status: Status;
  /** What was found. */
  readonly detail: string;
  /** What to change. Null if there is nothing to change, or if `detail` already says what to change. */
  readonly advice: string | null;
  /** Whether a failed check of an endpoint stops the chain even if the chain's other endpoints work. */
  readonly stopsChain?: boolean;
};

/** The result of a check: what it found, and what to change. */
export type Outcome = Pick<Finding, 'status' | 'detail' | 'stopsChain'> & { readonly advice?: string | undefined };

/** Creates the outcome of a check that found nothing wrong. */
export function ok(detail: string): Outcome {
  return { status: 'ok', detail };
}

/** Creates the outcome of a check that found a restriction. */
export function warning(detail: string, advice?: string): Outcome {
  return { status: 'warning', detail, advice };
}

/** Creates the outcome of a check that found a fault that stops the indexer. */
export function failed(detail: string, advice?: string): Outcome {
  return { status: 'failed', detail, advice };
}

/** Runs the checks of one subject, such as the database or an endpoint, one after the other, and collects the findings. */
export class Examination {
  readonly findings: Finding[] = [];
  readonly #subject: string;
  readonly #signal: AbortSignal;

  constructor(subject: string, signal: AbortSignal) {
    this.#subject = subject;
    this.#signal = signal;
  }

  /**
   * Runs one check. Returns true unless its status is `failed`.
   *
   * @param onError the status if the check throws, or has no result before the timeout
   */
  async check(
    check: string,
    onError: 'warning' | 'failed',
    work: (signal: AbortSignal) => Promise<Outcome>,
  ): Promise<boolean> {
    const outcome = await this.#run(onError, work);
    this.findings.push({ subject: this.#subject, check, ...outcome, advice: outcome.advice ?? null });
    return outcome.status !== 'failed';
  }

  async #run(onError: 'warning' | 'failed', work: (signal: AbortSignal) => Promise<Outcome>): Promise<Outcome> {
    const timeout = AbortSignal.timeout(CHECK_TIMEOUT_MS);
    const late = { status: onError, detail: `no answer within ${CHECK_TIMEOUT_MS / 1_000} s` };
    const failedWith = (error: unknown) => (timeout.aborted ? late : { status: onError, detail: messageOf(error) });
    const signal = AbortSignal.any([this.#signal, timeout]);
    return (await within(CHECK_TIMEOUT_MS, work(signal).catch(failedWith), this.#signal)) ?? late;
  }
}
