import type { ChainSettings, Settings } from '../../indexer/config/define.ts';
import { type Environment, Program } from './program.ts';
import { HANG_TIMEOUT_MS } from './until.ts';

/** Settings that apply to all chains of a daemon. The environment gives the chains' endpoints unless `rpcUrls` is set. */
export type ChainOptions = ChainSettings;

/** The response of `/ready`. */
export type Ready = {
  readonly status: number;
  readonly chains: Readonly<Record<string, string>>;
  readonly degraded?: Readonly<Record<string, string>>;
};

const POLL_INTERVAL_MS = 100;

/** The real daemon in its own process. The process is killed when the test ends. */
export class Daemon extends Program {
  #port: number | undefined;

  /** Starts `indexer start --migrate` and waits until it serves HTTP. `ready` are the bounds of `/ready`. */
  static async start(env: Environment, options: ChainOptions = {}, ready: Settings['ready'] = {}): Promise<Daemon> {
    const daemon = new Daemon(['start', '--migrate'], env, { settings: { ...chainSettings(env, options), ready } });
    daemon.#port = await daemon.port();
    return daemon;
  }

  /** The URL of the daemon's status page. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  async ready(): Promise<Ready> {
    const response = await this.fetch('/ready');
    return { status: response.status, ...((await response.json()) as Omit<Ready, 'status'>) };
  }

  /** Returns the lines of `/metrics`. */
  async metrics(): Promise<readonly string[]> {
    return (await (await this.fetch('/metrics')).text()).split('\n');
  }

  /** Requests a path of the daemon's HTTP server. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(new URL(path, this.url), { signal: AbortSignal.timeout(HANG_TIMEOUT_MS), ...init });
  }
}

/**
 * Returns settings for every chain that an environment names. By default, heads are polled ten times a second, and no verification is
 * scheduled: chains in memory answer no calls, and their transfers need no balance, so that it would report differences.
 */
export function chainSettings(env: Environment, options: ChainOptions = {}): Settings {
  const chainIds = Object.keys(env).flatMap((name) => /^RPC_URL_(\d+)$/.exec(name)?.[1] ?? []);
  const chains = chainIds.map((id) => [id, { pollIntervalMs: POLL_INTERVAL_MS, verifyIntervalHours: 0, ...options }]);
  return { chains: Object.fromEntries(chains) };
}
