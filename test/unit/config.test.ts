import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../indexer/config/config-file.ts';
import { defineConfig } from '../../indexer/config/define.ts';
import { resolveConfig, resolveSettings } from '../../indexer/config/resolve.ts';
import { secretsOfEnvironment } from '../../indexer/config/secrets.ts';
import { ConfigError } from '../../indexer/kernel/errors.ts';
import { createRedact } from '../../indexer/observability/redact.ts';

const DATABASE_URL = 'postgres://user:hunter2@localhost:5432/mirror';
const ALL = ['database', 'chains'] as const;

function faultsOf(settings: unknown, env: Record<string, string>): readonly string[] {
  try {
    resolveConfig(settings, 'config/local.ts', env, ALL);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message.split('\n').slice(1);
  }
  return [];
}

describe('the environment alone', () => {
  it('is enough: each endpoint variable configures one chain', () => {
    const env = { DATABASE_URL, RPC_URL_8453: 'https://a.example/key, wss://b.example', RPC_URL_1: 'http://c.example' };
    const config = resolveConfig({}, 'config/local.ts', env, ALL);
    expect(config).toEqual({
      databaseUrl: DATABASE_URL,
      queueUrl: DATABASE_URL,
      http: { host: '127.0.0.1', port: 8080 },
      ready: { lagBlocks: 100, stalledSeconds: 120 },
      logLevel: 'info',
      variables: { databaseUrl: 'DATABASE_URL', databaseDirectUrl: 'DATABASE_DIRECT_URL', queueUrl: 'DATABASE_URL' },
      chains: [
        {
          chainId: 1,
          rpcUrls: ['http://c.example'],
          variable: 'RPC_URL_1',
          pollIntervalMs: 2000,
          confirmations: 64,
          haltDepth: 1024,
          quorum: 1,
          verifyIntervalHours: 24,
          proof: { level: 'background', callsPerSecond: 10 },
          tokenUriCallsPerSecond: 10,
        },
        {
          chainId: 8453,
          rpcUrls: ['https://a.example/key', 'wss://b.example'],
          variable: 'RPC_URL_8453',
          pollIntervalMs: 1000,
          confirmations: 900,
          haltDepth: 1024,
          quorum: 1,
          verifyIntervalHours: 24,
          proof: { level: 'background', callsPerSecond: 10 },
          tokenUriCallsPerSecond: 10,
        },
      ],
    });
  });

  it('sets queue, HTTP listener and log level', () => {
    const env = { DATABASE_URL, QUEUE_URL: 'redis://q', HTTP_HOST: '0.0.0.0', HTTP_PORT: '0', LOG_LEVEL: 'debug' };
    const config = resolveConfig({}, 'config/local.ts', env, ['database']);
    expect(config).toMatchObject({ queueUrl: 'redis://q', http: { host: '0.0.0.0', port: 0 }, logLevel: 'debug' });
  });

  it('puts the queue where sessions are kept', () => {
    const env = { DATABASE_URL, DATABASE_DIRECT_URL: 'postgres://direct/mirror' };
    const config = resolveConfig({}, 'config/local.ts', env, ['database']);
    expect(config).toMatchObject({ databaseDirectUrl: env.DATABASE_DIRECT_URL, queueUrl: env.DATABASE_DIRECT_URL });
    expect(faultsOf({}, { ...env, DATABASE_DIRECT_URL: 'mysql://x' }).join()).toContain('DATABASE_DIRECT_URL: must be');
  });

  it('needs no endpoint when the command needs no chain', () => {
    expect(resolveConfig({}, 'config/local.ts', { DATABASE_URL }, ['database']).chains).toEqual([]);
  });
});

describe('the names that the platform gives to variables', () => {
  const PLATFORM = {
    AUDIFI_DATABASE_URL: 'postgres://platform/mirror',
    REDIS_URL: 'redis://cache',
    BASE_RPC_URL: 'https://base.example',
    ETH_MAINNET_RPC_URL: 'https://mainnet.example',
  };

  it('configure the program where ours are not set, and messages name them', () => {
    const { config, ignored } = resolveSettings({}, 'config/local.ts', PLATFORM, ALL);
    expect(config).toMatchObject({ databaseUrl: PLATFORM.AUDIFI_DATABASE_URL, queueUrl: PLATFORM.REDIS_URL });
    expect(config.variables).toMatchObject({ databaseUrl: 'AUDIFI_DATABASE_URL', queueUrl: 'REDIS_URL' });
    expect(config.chains).toMatchObject([
      { chainId: 1, variable: 'ETH_MAINNET_RPC_URL', rpcUrls: [PLATFORM.ETH_MAINNET_RPC_URL] },
      { chainId: 8453, variable: 'BASE_RPC_URL', rpcUrls: [PLATFORM.BASE_RPC_URL] },
    ]);
    expect(ignored).toEqual([]);
    expect(faultsOf({}, { ...PLATFORM, BASE_RPC_URL: 'base.example' }).join()).toContain('BASE_RPC_URL: must be a URL');
  });

  it('give way to ours, and a different value is reported without showing it', () => {
    const ours = { DATABASE_URL, QUEUE_URL: ' redis://cache', RPC_URL_8453: 'https://other.example' };
    const { config, ignored } = resolveSettings({}, 'config/local.ts', { ...PLATFORM, ...ours }, ALL);
    expect(config.databaseUrl).toBe(DATABASE_URL);
    expect(config.chains[1]).toMatchObject({ variable: 'RPC_URL_8453', rpcUrls: ['https://other.example'] });
    expect(ignored).toEqual([
      { ignored: 'AUDIFI_DATABASE_URL', used: 'DATABASE_URL', reason: 'it differs from DATABASE_URL' },
      { ignored: 'BASE_RPC_URL', used: 'RPC_URL_8453', reason: 'it differs from RPC_URL_8453' },
    ]);
  });

  it('hold secrets like ours', () => {
    const urls = [
      'https://a.example/v2/0123456789abcdef',
      'redis://user:0123456789abcdef@b.example',
      'postgres://user:0123456789abcdef@c.example/mirror',
    ];
    const databases = ['AUDIFI_DATABASE_URL', 'AUDIFI_DATABASE_REPLICA_URL'];
    const names = ['BASE_RPC_URL', 'ETH_MAINNET_RPC_URL', 'REDIS_URL', 'AUDIFI_REDIS_URL', ...databases];
    for (const name of names)
      for (const url of urls)
        expect(createRedact(secretsOfEnvironment({ [name]: url }))('0123456789abcdef')).toBe('[redacted]');
  });
});

describe('the configuration file', () => {
  it('overrides the environment, chain by chain', () => {
    const settings = defineConfig({
      databaseUrl: 'postgres://file/db',
      chains: { 1: { confirmations: 12, haltDepth: 9 }, 10: { rpcUrls: ['http://ten'], pollIntervalMs: 50 } },
    });
    const config = resolveConfig(
      settings,
      'x.ts',
      { DATABASE_URL, RPC_URL_1: 'http://one', RPC_URL_10: 'http://no' },
      ALL,
    );
    expect(config.databaseUrl).toBe('postgres://file/db');
    expect(config.chains).toEqual([
      {
        chainId: 1,
        rpcUrls: ['http://one'],
        variable: 'RPC_URL_1',
        pollIntervalMs: 2000,
        confirmations: 12,
        haltDepth: 9,
        quorum: 1,
        verifyIntervalHours: 24,
        proof: { level: 'background', callsPerSecond: 10 },
        tokenUriCallsPerSecond: 10,
      },
      {
        chainId: 10,
        rpcUrls: ['http://ten'],
        variable: 'x.ts chains.10.rpcUrls',
        pollIntervalMs: 50,
        confirmations: 900,
        haltDepth: 1024,
        quorum: 1,
        verifyIntervalHours: 24,
        proof: { level: 'background', callsPerSecond: 10 },
        tokenUriCallsPerSecond: 10,
      },
    ]);
  });
});

describe('a wrong configuration', () => {
  it('produces one message that lists every fault with its place and no secret', () => {
    const faults = faultsOf(
      { chains: { 1: { haltDepth: 0, rpcUrl: 'x' }, 5: {}, zero: {} }, htpp: {}, http: { port: 1.5 } },
      {
        DATABASE_URL: 'mysql://user:hunter2@localhost/db',
        QUEUE_URL: 'amqp://user:hunter2@q',
        RPC_URL_1: 'https://ok.example,ftp://hunter2.example/hunter2',
        RPC_URL_base: 'https://x.example',
        LOG_LEVEL: 'loud',
        HTTP_PORT: '70000',
      },
    );
    const places = faults.map((fault) => fault.trim().split(':')[0]);
    expect(places.sort()).toEqual([
      'DATABASE_URL',
      'LOG_LEVEL',
      'QUEUE_URL',
      'RPC_URL_1, endpoint 2',
      'RPC_URL_5',
      'RPC_URL_base',
      'config/local.ts',
      'config/local.ts chains.1',
      'config/local.ts chains.1.haltDepth',
      'config/local.ts chains.zero',
      'config/local.ts http.port',
    ]);
    expect(faults.join('\n')).not.toContain('hunter2');
  });

  it('suggests the name that was meant', () => {
    const chains = { 1: { rpcUrls: ['http://x'], confirmation: 12, proof: { levle: 'off' } } };
    expect(faultsOf({ chains, logLvl: 'info', colour: 'red' }, { DATABASE_URL })).toEqual([
      "  config/local.ts chains.1.proof: unknown key 'levle'; did you mean level? the keys are level, callsPerSecond",
      expect.stringMatching(
        /^ {2}config\/local.ts chains.1: unknown key 'confirmation'; did you mean confirmations\? the keys/,
      ),
      expect.stringMatching(
        /^ {2}config\/local.ts: unknown key 'logLvl'; did you mean logLevel\? the keys are databaseUrl, /,
      ),
      expect.stringMatching(/^ {2}config\/local.ts: unknown key 'colour'; the keys are databaseUrl, /),
    ]);
  });

  it('names both variables when nothing is set', () => {
    expect(faultsOf({}, {}).map((fault) => fault.trim().split(':')[0])).toEqual(['DATABASE_URL', 'RPC_URL_<chainId>']);
    expect(faultsOf({}, { DATABASE_URL, RPC_URL: 'http://x' })).toEqual([
      '  RPC_URL_<chainId>: none is set (RPC_URL is set, but names no chain); set one for each chain to follow, as RPC_URL_1=https://…',
    ]);
  });

  it('is reported when the file exports a value that is not an object', () => {
    expect(faultsOf('nonsense', { DATABASE_URL, RPC_URL_1: 'http://x' })).toEqual([
      '  config/local.ts: must be an object',
    ]);
  });
});

describe('a configuration module', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'config-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('may be TypeScript or JavaScript', async () => {
    const define = pathToFileURL(join(import.meta.dirname, '../../indexer/config/define.ts')).href;
    await writeFile(
      join(folder, 'a.ts'),
      `import { defineConfig } from '${define}';
       const port: number = 7;
       export default defineConfig({ http: { port } });`,
    );
    await writeFile(join(folder, 'b.mjs'), 'export default { http: { port: 8 } };');
    expect((await loadConfig(join(folder, 'a.ts'), { DATABASE_URL }, ['database'])).http.port).toBe(7);
    expect((await loadConfig(join(folder, 'b.mjs'), { DATABASE_URL }, ['database'])).http.port).toBe(8);
  });

  it('is a configuration error when it is missing, throws or has no default export', async () => {
    await writeFile(join(folder, 'broken.mjs'), 'throw new Error("no luck")');
    await writeFile(join(folder, 'empty.mjs'), 'export const config = {};');
    await expect(loadConfig(join(folder, 'none.ts'), {}, [])).rejects.toThrow(
      new ConfigError(`the configuration file ${join(folder, 'none.ts')} does not exist`),
    );
    await expect(loadConfig(join(folder, 'broken.mjs'), {}, [])).rejects.toThrow(/no luck/);
    await expect(loadConfig(join(folder, 'empty.mjs'), {}, [])).rejects.toThrow(/export default defineConfig/);
  });

  it('defaults to the one of the package', async () => {
    expect((await loadConfig(undefined, { DATABASE_URL }, ['database'])).databaseUrl).toBe(DATABASE_URL);
  });
});
