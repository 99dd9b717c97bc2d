/** The condition of a chain, from which its readiness is decided. */
export type ChainCondition = {
  readonly chainId: number;
  /** `following`, `standing by`, `starting`, or `failing` with the reason. */
  readonly state: string;
  /** Why the chain waits for an operator. Null if it does not. */
  readonly halted: string | null;
  /** Why one of the chain's stages stopped. Undefined if none has stopped. */
  readonly stoppedStage: string | undefined;
  /**
   * Why facts may be wrong, as a sentence: they contradict each other in blocks that no endpoint serves, or the newest verification found
   * differences. Undefined if neither is so.
   */
  readonly contradiction: string | undefined;
  /** How many blocks the committed head is behind the head of the chain. Undefined while either head is unknown. */
  readonly lagBlocks: number | undefined;
  /** For how many seconds the committed head has not moved although the chain has newer blocks. */
  readonly stalledSeconds: number;
  /** What an operator should look at although the chain is ready, as sentences. */
  readonly concerns: readonly string[];
};

/** The lag and the stall beyond which a chain is not ready. */
export type ReadinessBounds = { readonly lagBlocks: number; readonly stalledSeconds: number };

/** Whether the process is ready, the state of each chain, and what an operator should look at although the process is ready. */
export type Readiness = {
  readonly ready: boolean;
  /**
   * The state of each chain by its id, or the reason why the chain is not ready. If the database or its schema makes the process unready,
   * an entry `database` or `schema` says why.
   */
  readonly chains: Readonly<Record<string, string>>;
  readonly degraded?: Readonly<Record<string, string>>;
};

/** States of a chain in which the process is ready. */
const READY_STATES = ['following', 'standing by'];

/** Decides whether a process is ready, and says why if it is not. */
export function decideReadiness(chains: readonly ChainCondition[], bounds: ReadinessBounds): Readiness {
  const reasons = chains.map((chain) => reasonOf(chain, bounds));
  const degraded = chains.filter(({ concerns }) => concerns.length > 0);
  return {
    ready: reasons.every((reason) => reason === undefined),
    chains: Object.fromEntries(chains.map(({ chainId, state }, i) => [chainId, reasons[i] ?? state])),
    ...(degraded.length > 0 && {
      degraded: Object.fromEntries(degraded.map(({ chainId, concerns }) => [chainId, concerns.join('; ')])),
    }),
  };
}

/** Returns the most important reason why a chain is not ready. Undefined if it is ready. */
function reasonOf(chain: ChainCondition, bounds: ReadinessBounds): string | undefined {
  const { state, halted, stoppedStage, contradiction, lagBlocks = 0, stalledSeconds } = chain;
  if (halted !== null) return `halted: ${halted}`;
  if (!READY_STATES.includes(state)) return state;
  if (stoppedStage !== undefined) return stoppedStage;
  if (contradiction !== undefined) return contradiction;
  if (stalledSeconds > bounds.stalledSeconds) {
    return `stalled: no block was committed for ${Math.floor(stalledSeconds)} s, although the chain has newer ones`;
  }
  if (lagBlocks > bounds.lagBlocks) return `behind: ${lagBlocks} blocks to the head of the chain`;
  return undefined;
}
