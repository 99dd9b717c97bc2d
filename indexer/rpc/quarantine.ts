import type { EndpointNotice } from './notice.ts';

/** How long an endpoint is set aside at first. Doubles each time that it contradicts again, or fails when it is asked again. */
const QUARANTINE_MS = 60_000;
const QUARANTINE_MAX_MS = 3_600_000;
/** After this long without a contradiction, the next one counts as the first. */
const FORGIVEN_AFTER_MS = 6 * QUARANTINE_MAX_MS;

/** What an endpoint said that cannot be true. */
export type Contradiction = {
  /** What it said and what was expected, with block and hashes. Contains no secret. */
  readonly evidence: string;
  /**
   * How long the endpoint is set aside each time, in milliseconds, if an honest endpoint may say the same for a while. Default: a time that
   * doubles.
   */
  readonly pauseMs?: number;
  /**
   * Asks the endpoint again. Returns whether it may be trusted again: it says what was expected, or what was expected is no longer of the
   * chain. May throw if not.
   */
  recheck(signal: AbortSignal): Promise<boolean>;
};

/** Whether an endpoint is set aside because it contradicted. It is then used only if no other one answers. */
export type Quarantine = {
  /** Sets the endpoint aside. Ignored if it already is. */
  enter(contradiction: Contradiction): void;
  /** Returns whether the endpoint is set aside. Once its time is over, begins to ask it again. */
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
