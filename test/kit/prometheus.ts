import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { parse, stringify } from 'yaml';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const FOLDER = fileURLToPath(new URL('../../config/deploy/', import.meta.url));
/** Kills the server when standard input ends: on request, or when the parent process has died, even by SIGKILL. */
const SUPERVISOR = 'prometheus "$@" </dev/null & read -r order; kill -KILL $!';

/** The newest value of a series. */
type Sample = { readonly metric: Readonly<Record<string, string>>; readonly value: readonly [number, string] };

/** A rule as Prometheus has evaluated it. */
export type EvaluatedRule = { readonly name: string; readonly health: string; readonly lastError?: string };

/** A Prometheus that scrapes daemons every second and evaluates the alert rules of `config/deploy`. */
export type Prometheus = {
  query(expression: string): Promise<readonly Sample[]>;
  rules(): Promise<readonly EvaluatedRule[]>;
};

/**
 * Returns whether Prometheus is installed.
 *
 * @throws if it is not installed and `CI=true`, where every test must run
 */
export async function hasPrometheus(): Promise<boolean> {
  const versions = ['prometheus', 'promtool'].map((program) => promisify(execFile)(program, ['--version']));
  const found = await Promise.all(versions).then(
    () => true,
    () => false,
  );
  if (!found && process.env.CI === 'true') throw new Error('prometheus is not installed');
  return found;
}

/** Starts Prometheus with the configuration of `config/deploy`, but other targets and intervals. Stops it when the test ends. */
export async function startPrometheus(targets: readonly string[]): Promise<Prometheus> {
  const configuration = parse(await readFile(join(FOLDER, 'prometheus.yaml'), 'utf8'));
  configuration.global = { scrape_interval: '1s', evaluation_interval: '1s' };
  configuration.rule_files = configuration.rule_files.map((file: string) => join(FOLDER, file));
  const [daemons] = configuration.scrape_configs;
  configuration.scrape_configs = [{ ...daemons, static_configs: [{ targets }] }];
  const directory = await mkdtemp(join(tmpdir(), 'indexer-prometheus-'));
  const file = join(directory, 'prometheus.yaml');
  await writeFile(file, stringify(configuration));
  const address = `127.0.0.1:${await freePort()}`;
  const flags = [`--config.file=${file}`, `--storage.tsdb.path=${directory}/data`, `--web.listen-address=${address}`];
  const child = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', ...flags], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: directory,
  });
  onTestFinished(async () => {
    child.stdin.end();
    if (child.exitCode === null) await once(child, 'exit');
    await rm(directory, { recursive: true, force: true });
  });
  const read = async (path: string) => {
    const response = await fetch(`http://${address}/api/v1/${path}`);
    const { data, error } = (await response.json()) as { data?: unknown; error?: string };
    if (error !== undefined) throw new Error(`Prometheus refuses ${decodeURIComponent(path)}: ${error}`);
    return data;
  };
  await until('Prometheus to answer', async () => (await fetch(`http://${address}/-/ready`)).ok);
  return {
    query: async (expression) =>
      ((await read(`query?query=${encodeURIComponent(expression)}`)) as { result: Sample[] }).result,
    rules: async () => {
      const { groups } = (await read('rules')) as { groups: { rules: EvaluatedRule[] }[] };
      return groups.flatMap(({ rules }) => rules);
    },
  };
}
