import { hash } from 'node:crypto';
import type { RpcEndpoint } from '../config/define.ts';
import { publicHostOf } from '../observability/redact.ts';
import type { Client } from './client.ts';
import { COMPUTE_UNITS_PER_ANNOUNCED_BYTE, priceOf } from './compute-units.ts';

/** The spent shares of a monthly budget at which a warning is logged, in descending order. */
const WARNED_PARTS = [1, 0.8];

/**
 * Number of hexadecimal digits that are kept of the hash of a provider's key (`Account.keyHash`). These 16 bits tell the keys of one
 * provider apart, but are too few to find a key or to confirm a guess.
 */
const KEY_HASH_CHARS = 4;

/** The configuration of an endpoint as an object with its URL and options. (Others are a URL only, or a viem transport.) */
type ConfiguredEndpoint = Extract<RpcEndpoint, { readonly url: string }>;

/** The cost of calls: how many there are, and their compute units by the provider's price list. */
export type Cost = { readonly calls: number; readonly computeUnits: number };

/** Who is billed for calls to an endpoint. Contains no secret. */
export type Account = {
  /** The host of the URL, without the key that it may contain. */
  readonly host: string;
  /** A short hash of the URL and headers. It tells the keys that are used at one host apart. */
  readonly keyHash: string;
};

/** What all processes have spent on an account in a month. */
export type MonthlyCost = Cost & {
  /** The first day of the month in UTC, as in `2026-01-01`. */
  readonly month: string;
};

/** How much of an endpoint's monthly budget all processes have spent in this month. */
export type BudgetState = {
  readonly unit: 'calls' | 'compute units';
  readonly spent: number;
  readonly limit: number;
};

/**
 * The monthly budget of an endpoint, which all sources (readers of the chain) of a process share. It counts in memory what this process
 * has spent and not yet added to the total of all processes in the database. It only reports, and limits nothing.
 */
export class MonthlyBudget {
  /** Host and index of the endpoint, as in `rpc.example.org#0`. */
  readonly endpoint: string;
  readonly account: Account;
  readonly #limits: readonly { readonly unit: BudgetState['unit']; readonly limit: number }[];
  #unsaved: Cost = { calls: 0, computeUnits: 0 };
  #saved: MonthlyCost | undefined;
  #warnedAt = 0;

  /** @param index the position of the endpoint in the chain's `rpcUrls`, counted from 0 */
  constructor(configured: ConfiguredEndpoint, index: number) {
    const { monthlyCalls, monthlyComputeUnits } = configured;
    this.account = accountOf(configured);
    this.endpoint = `${this.account.host}#${index}`;
    this.#limits = [
      ...(monthlyCalls === undefined ? [] : [{ unit: 'calls' as const, limit: monthlyCalls }]),
      ...(monthlyComputeUnits === undefined ? [] : [{ unit: 'compute units' as const, limit: monthlyComputeUnits }]),
    ];
  }

  /** What this process has spent and not yet added to the total of all processes in the database. */
  get unsaved(): Cost {
    return this.#unsaved;
  }

  /** Whether this process has unsaved costs, or does not know the total of all processes yet. */
  get needsSaving(): boolean {
    return this.#saved === undefined || this.#unsaved.calls > 0;
  }

  /** Counts calls that are sent. */
  spend(calls: number, computeUnits: number): void {
    this.#unsaved = { calls: this.#unsaved.calls + calls, computeUnits: this.#unsaved.computeUnits + computeUnits };
  }

  /**
   * Records that a cost was added to the total of all processes in the database.
   *
   * @param added the value of `unsaved` that the total now includes
   * @param total what all processes have spent in the month to which `added` was counted
   * @returns the state of the budget if this process sees for the first time in this month that one of `WARNED_PARTS` is spent, to warn of
   *   it; otherwise undefined
   */
  saved(added: Cost, total: MonthlyCost): BudgetState | undefined {
    this.spend(-added.calls, -added.computeUnits);
    if (total.month !== this.#saved?.month) this.#warnedAt = 0;
    this.#saved = total;
    const state = this.state();
    const reached = WARNED_PARTS.find((part) => state !== undefined && ratioOf(state) >= part) ?? 0;
    if (reached <= this.#warnedAt) return undefined;
    this.#warnedAt = reached;
    return state;
  }

  /**
   * Returns how much of the budget is spent. If both calls and compute units are limited, returns the one that is nearer to its limit.
   * Undefined until the total of all processes is known.
   */
  state(): BudgetState | undefined {
    const saved = this.#saved;
    if (saved === undefined) return undefined;
    const calls = saved.calls + this.#unsaved.calls;
    const computeUnits = saved.computeUnits + this.#unsaved.computeUnits;
    const states = this.#limits.map((one) => ({ ...one, spent: one.unit === 'calls' ? calls : computeUnits }));
    return states.sort((a, b) => ratioOf(b) - ratioOf(a))[0];
  }
}

/** Returns `subscribe` with its costs counted against the budget: a call for the subscription and one for each announced head. */
export function countSubscription(
  subscribe: Client['subscribe'],
  budget: MonthlyBudget | undefined,
): Client['subscribe'] {
  if (subscribe === undefined || budget === undefined) return subscribe;
  return (onHead, onLost) => {
    budget.spend(1, priceOf('eth_subscribe'));
    const countHead = (header: unknown) => {
      budget.spend(1, Math.ceil(JSON.stringify(header).length * COMPUTE_UNITS_PER_ANNOUNCED_BYTE));
      onHead(header);
    };
    return subscribe(countHead, onLost);
  };
}

/** Returns the spent share of a budget. It is more than 1 if more than the limit is spent. */
function ratioOf({ spent, limit }: BudgetState): number {
  return spent / limit;
}

/** Returns the account of an endpoint. It is the same over HTTP and over WebSocket. */
function accountOf({ url, headers = {} }: ConfiguredEndpoint): Account {
  const named = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const identity = [new URL(url).href.replace(/^\w+:/, ''), ...named.sort(([a], [b]) => (a < b ? -1 : 1))];
  return {
    host: publicHostOf(url),
    keyHash: hash('sha256', JSON.stringify(identity)).slice(0, KEY_HASH_CHARS),
  };
}
