import type { EndpointNotice } from './notice.ts';

/** First duration of a quarantine. It doubles with each further contradiction, and with each recheck that fails. */
const QUARANTINE_MS = 60_000;
const QUARANTINE_MAX_MS = 3_600_000;
/** After this long outside of quarantine, the next contradiction counts as the first. */
const FORGIVEN_AFTER_MS = 6 * QUARANTINE_MAX_MS;

/** An answer of an endpoint that cannot be true. */
export type Contradiction = {
  /** What the endpoint said and what was expected, with block and hashes. Contains no secret. */
  readonly evidence: string;
  /**
   * A fixed duration of the quarantine in milliseconds, for an answer that an honest endpoint may also give for a while. Default: the
   * duration doubles each time.
   */
  readonly pauseMs?: number;
  /**
   * Asks the endpoint again. Returns whether it can be trusted again: either it gives the expected answer, or the chain has changed so
   * that another answer is expected now. May throw instead of returning false.
   */
  recheck(signal: AbortSignal): Promise<boolean>;
};

/** Sets an endpoint aside because of a contradiction. It is then used only if no other endpoint answers. */
export type Quarantine = {
  /** Sets the endpoint aside. Ignored if it is already set aside. */
  enter(contradiction: Contradiction): void;
  /** Returns whether the endpoint is set aside. If the duration has passed, also starts a recheck, which may end the quarantine. */
  isActive(): boolean;
  /** Returns why the endpoint is set aside; undefined if it is not. */
  evidence(): string | undefined;
};

type QuarantineDeps = {
  /** The name of the endpoint in notices. */
  readonly name: string;
  readonly now: () => number;
  readonly notice: (notice: EndpointNotice) => void;
  /** Throws if the endpoint serves another chain. */
  readonly checkChainId: (signal: AbortSignal) => Promise<void>;
  /** Aborts when the endpoint is closed. */
  readonly closed: AbortSignal;
};

/** Creates the quarantine of one endpoint, which is not set aside at first. */
export function createQuarantine({ name, now, notice, checkChainId, closed }: QuarantineDeps): Quarantine {
  let current: { readonly contradiction: Contradiction; readonly until: number } | undefined;
  let times = 0;
  let releasedAt = Number.NEGATIVE_INFINITY;
  let isRechecking = false;

  function hold(contradiction: Contradiction): number {
    const { pauseMs } = contradiction;
    if (pauseMs === undefined) times++;
    const ms = pauseMs ?? Math.min(QUARANTINE_MAX_MS, QUARANTINE_MS * 2 ** (times - 1));
    current = { contradiction, until: now() + ms };
    return ms;
  }

  async function recheck(contradiction: Contradiction): Promise<void> {
    isRechecking = true;
    const isRight = await checkChainId(closed)
      .then(() => contradiction.recheck(closed))
      .catch(() => false);
    isRechecking = false;
    if (closed.aborted) return;
    if (!isRight) {
      hold(contradiction);
      return;
    }
    current = undefined;
    releasedAt = now();
    notice({ event: 'endpoint restored', endpoint: name, detail: 'the endpoint no longer contradicts' });
  }

  return {
    enter(contradiction) {
      if (current !== undefined) return;
      if (now() - releasedAt > FORGIVEN_AFTER_MS) times = 0;
      const ms = hold(contradiction);
      const detail = `${contradiction.evidence}; it is asked again in ${Math.round(ms / 1_000)} s`;
      notice({ event: 'endpoint quarantined', endpoint: name, detail });
    },
    isActive() {
      if (current === undefined) return false;
      if (now() >= current.until && !isRechecking && !closed.aborted) void recheck(current.contradiction);
      return true;
    },
    evidence: () => current?.contradiction.evidence,
  };
}
