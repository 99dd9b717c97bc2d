import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The environment variables of a machine that has Node and npm, but not this checkout. */
export const BARE_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: [
    dirname(process.execPath),
    ...(process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules')),
  ].join(delimiter),
  HOME: process.env.HOME ?? tmpdir(),
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
  // A request that hangs is sent again.
  npm_config_fetch_timeout: '30000',
  npm_config_fetch_retries: '5',
};

/** Runs a command that installs packages, from npm's cache if it holds them all, and otherwise from the registry. */
export async function runCached(command: string, args: readonly string[], cwd: string, env = {}): Promise<void> {
  const all = { ...BARE_ENVIRONMENT, ...env };
  const cached = promisify(execFile)(command, args, { cwd, env: { ...all, npm_config_offline: 'true' } });
  await cached.catch(() => promisify(execFile)(command, args, { cwd, env: all }));
}

/** A stage of the Dockerfile: the folder with its files, and the settings of the processes that run in it. */
type Stage = {
  readonly root: string;
  /** The working directory as a path of this machine. */
  folder: string;
  readonly env: Record<string, string>;
  readonly ports: string[];
  user: string;
  stopSignal: string;
  healthCheck: readonly string[];
  entrypoint: readonly string[];
  command: readonly string[];
};

/** The image that the Dockerfile describes. */
export type Image = Readonly<Omit<Stage, 'root'>> & {
  /** The working directory of the stage that builds the program. */
  readonly buildFolder: string;
  /** Deletes the files. */
  remove(): Promise<void>;
};

/**
 * Executes the Dockerfile in folders of this machine, without a container engine and without the base image: copies the same files
 * and runs the same commands.
 *
 * @throws if the Dockerfile contains an instruction that this function does not support
 */
export async function buildImage(): Promise<Image> {
  const directory = await mkdtemp(join(tmpdir(), 'indexer-image-'));
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  for (const [instruction, rest] of instructionsOf(await readFile(join(ROOT, 'Dockerfile'), 'utf8'))) {
    if (instruction === 'FROM') {
      const name = / AS (\S+)$/.exec(rest)?.[1] ?? String(stages.size);
      stage = newStage(join(directory, name));
      stages.set(name, stage);
    } else if (stage === undefined) throw new Error(`${instruction} comes before FROM`);
    else await apply(stage, stages, instruction, rest);
  }
  const [first] = stages.values();
  if (stage === undefined || first === undefined) throw new Error('the Dockerfile has no stage');
  return { ...stage, buildFolder: first.folder, remove: () => rm(directory, { recursive: true, force: true }) };
}

function newStage(root: string): Stage {
  return {
    ...{ root, folder: root, env: {}, ports: [], user: 'root', stopSignal: 'SIGTERM' },
    ...{ healthCheck: [], entrypoint: [], command: [] },
  };
}

/** Returns the instructions of a Dockerfile with their arguments. */
function instructionsOf(text: string): readonly (readonly [string, string])[] {
  const lines = text.replaceAll(/\\\n/g, ' ').split('\n');
  return lines
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => [line.split(' ')[0] ?? '', line.replace(/^\S+\s+/, '')]);
}

async function apply(
  stage: Stage,
  stages: ReadonlyMap<string, Stage>,
  instruction: string,
  rest: string,
): Promise<void> {
  switch (instruction) {
    case 'WORKDIR':
      stage.folder = join(stage.root, rest);
      await mkdir(stage.folder, { recursive: true });
      return;
    case 'ENV':
      for (const pair of rest.split(' ')) stage.env[pair.split('=')[0] ?? ''] = pair.replace(/^[^=]*=/, '');
      return;
    case 'COPY':
      return copy(stage, stages, rest);
    case 'RUN':
      await runCached('/bin/sh', ['-c', rest], stage.folder, stage.env);
      return;
    case 'USER':
      stage.user = rest;
      return;
    case 'EXPOSE':
      stage.ports.push(rest);
      return;
    case 'STOPSIGNAL':
      stage.stopSignal = rest;
      return;
    case 'HEALTHCHECK':
      stage.healthCheck = JSON.parse(rest.slice(rest.indexOf('CMD ') + 'CMD '.length));
      return;
    case 'ENTRYPOINT':
      stage.entrypoint = JSON.parse(rest);
      return;
    case 'CMD':
      stage.command = JSON.parse(rest);
      return;
    default:
      throw new Error(`unknown instruction ${instruction}`);
  }
}

async function copy(stage: Stage, stages: ReadonlyMap<string, Stage>, rest: string): Promise<void> {
  const parts = rest.split(' ');
  const from = parts[0]?.startsWith('--from=') ? parts.shift()?.slice('--from='.length) : undefined;
  const target = parts.pop() ?? '';
  const root = from === undefined ? ROOT : stages.get(from)?.root;
  if (root === undefined) throw new Error(`COPY reads from the unknown stage ${from}`);
  for (const source of parts) {
    const to = join(stage.folder, target, target.endsWith('/') ? basename(source) : '');
    await cp(join(root, source), to, { recursive: true, verbatimSymlinks: true });
  }
}
