import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type * as z from 'zod/mini';
import { configurationFiles } from '../../config/configuration-page.ts';
import { groupIn, partAt } from '../../indexer/config/describe.ts';
import { resolveSettings } from '../../indexer/config/resolve.ts';
import { PROXY, SETTINGS } from '../../indexer/config/schema.ts';
import { runCommand } from '../kit/command-line.ts';

const SECRET = 'hunter2-and-more';
const ENVIRONMENT = {
  DATABASE_URL: `postgres://indexer:${SECRET}@db.example/mirror`,
  REDIS_URL: `redis://:${SECRET}@cache.example`,
  RPC_URL_5: `https://five.example/v2/${SECRET},wss://${SECRET}@six.example`,
  HTTPS_PROXY: `http://someone:${SECRET}@proxy.example:3128`,
  LOG_LEVEL: 'warn',
};

/** Returns the names of the options of each group inside a schema, including the elements of its lists and records. */
function groupsOf(schema: z.core.$ZodType): readonly (readonly string[])[] {
  const shape = (groupIn(schema) ?? partAt(schema, ['element']))?.shape;
  return shape === undefined ? [] : [Object.keys(shape), ...Object.values(shape).flatMap(groupsOf)];
}

/** Writes a configuration file that is deleted when the test ends. Returns its path. */
async function configFile(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'indexer-config-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'config.mjs');
  await writeFile(file, text);
  return file;
}

describe('indexer config --print', () => {
  it('says where each value comes from, and shows no secret', async () => {
    const endpoints = `['https://nine.example/${SECRET}', { url: 'https://ten.example', headers: { 'x-key': '42' } }, () => ({ request() {} })]`;
    const redis = `{ options: { password: '${SECRET}', tls: { passphrase: 'unknown to redaction' } } }`;
    const file = await configFile(
      `export default { http: { token: 'of-16-characters' }, queueRedis: ${redis}, chains: { 9: { rpcUrls: ${endpoints}, confirmations: 7, largeClaimWei: 10n ** 20n } } };`,
    );
    const ran = await runCommand(['--config', file, 'config', '--print', '--json'], ENVIRONMENT);
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(ran.out).not.toContain(SECRET);
    const { settings, ignored } = JSON.parse(ran.out);
    const entries = settings.map(({ setting, value, from }: Record<string, string>) => [setting, { value, from }]);
    expect(ignored).toEqual([]);
    expect(Object.fromEntries(entries)).toMatchObject({
      databaseUrl: { value: 'postgres://db.example/[redacted]', from: 'DATABASE_URL' },
      databaseDirectUrl: { value: null, from: 'default' },
      queueUrl: { value: 'redis://cache.example', from: 'REDIS_URL' },
      queueRedis: {
        value: { options: { password: '[redacted]', tls: { passphrase: '[redacted]' } } },
        from: `${file} queueRedis`,
      },
      'http.token': { value: '[redacted]', from: `${file} http.token` },
      httpsProxy: { value: 'http://proxy.example:3128', from: 'HTTPS_PROXY' },
      logLevel: { value: 'warn', from: 'LOG_LEVEL' },
      'chains.9.largeClaimWei': { value: '100000000000000000000', from: `${file} chains.9.largeClaimWei` },
      'chains.5.rpcUrls': { value: ['https://five.example/[redacted]', 'wss://six.example'], from: 'RPC_URL_5' },
      'chains.9.rpcUrls': {
        value: [
          'https://nine.example/[redacted]',
          { url: 'https://ten.example', headers: { 'x-key': '[redacted]' } },
          'viem transport',
        ],
        from: `${file} chains.9.rpcUrls`,
      },
      'chains.9.confirmations': { value: 7, from: `${file} chains.9.confirmations` },
      'chains.9.proof.level': { value: 'background', from: 'default' },
    });
  });

  it('is a table for people, and says which variable has no effect', async () => {
    const ran = await runCommand(['config'], { ...ENVIRONMENT, AUDIFI_DATABASE_URL: `postgres://:${SECRET}@x/y` });
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(ran.out).toMatch(
      /^SETTING +VALUE +FROM\ndatabaseUrl +postgres:\/\/db\.example\/\[redacted\] +DATABASE_URL$/m,
    );
    expect(ran.out).toMatch(/^AUDIFI_DATABASE_URL is ignored: it differs from DATABASE_URL$/m);
    expect(ran.out).not.toContain(SECRET);
  });

  it('names the variables of the platform that it does not use, and never their values', async () => {
    const unused = {
      AUDIFI_DB_POOL_MIN: '4321',
      AUDIFI_DB_POOL_MAX: '98765',
      AUDIFI_DATABASE_REPLICA_URL: `postgres://someone:${SECRET}@replica.example/mirror`,
    };
    for (const args of [['config'], ['config', '--check'], ['config', '--json'], ['config', '--check', '--json']]) {
      const { out, err } = await runCommand(args, { ...ENVIRONMENT, ...unused });
      for (const [name, value] of Object.entries(unused)) {
        expect(out).toMatch(args.includes('--json') ? `{"ignored":"${name}","reason":"` : `\n${name} is ignored: `);
        expect(out + err).not.toContain(value);
      }
      expect(out + err).not.toMatch(/replica\.example/);
    }
  });

  it('shows where the queue is if no setting says so', async () => {
    const { DATABASE_URL } = ENVIRONMENT;
    const ran = await runCommand(['config'], { DATABASE_URL, DATABASE_DIRECT_URL: 'postgres://direct/mirror' });
    expect(ran.out).toMatch(/^queueUrl +postgres:\/\/direct\/\[redacted\] +DATABASE_DIRECT_URL$/m);
  });
});

describe('indexer config --check', () => {
  it('exits 0 if `indexer start` accepts the configuration, and 1 with every fault otherwise', async () => {
    const { DATABASE_URL, RPC_URL_5 } = ENVIRONMENT;
    expect(await runCommand(['config', '--check'], ENVIRONMENT)).toMatchObject({ code: 0, err: '' });
    expect(await runCommand(['config', '--check', '--json'], { DATABASE_URL, RPC_URL_5 })).toMatchObject({
      out: '{"valid":true,"ignored":[]}\n',
    });
    const wrong = await runCommand(['config', '--check'], { DATABASE_URL, HTTP_PORT: SECRET });
    expect(wrong).toMatchObject({ code: 1, out: '' });
    expect(wrong.err).toMatch(/HTTP_PORT: must be[\s\S]*RPC_URL_<chainId>: none is set/);
    expect(wrong.err).not.toContain(SECRET);
    expect(await runCommand(['config', '--check', '--print'])).toMatchObject({ code: 2 });
  });
});

describe('the documentation of the configuration', () => {
  it('is what the schema says', () => {
    for (const [file, text] of Object.entries(configurationFiles()))
      expect(readFileSync(join(import.meta.dirname, '../..', file), 'utf8')).toBe(text);
  });

  it('has a table of every group of options', () => {
    const page = configurationFiles()['docs/configuration.md'] ?? '';
    const tables = [...page.matchAll(/(?:^\| `.*\n)+/gm)].map(([rows]) =>
      [...rows.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name),
    );
    const groups = [SETTINGS, PROXY].flatMap(groupsOf);
    expect(groups.flat()).toEqual(expect.arrayContaining(['url', 'lagBlocks', 'cluster', 'level']));
    for (const group of groups) expect(tables).toContainEqual(group);
  });

  it('gives an example of the environment that is valid, also with every line in use', () => {
    const text = configurationFiles()['.env.example'] ?? '';
    const lines = [...text.matchAll(/^(?:# )?([A-Za-z_0-9]+)=(.*)$/gm)];
    const env = Object.fromEntries(lines.map(([, name, value]) => [name, value]));
    const { settings, config } = resolveSettings({}, 'config/local.ts', env, ['database', 'chains']);
    expect(config.chains.map(({ chainId }) => chainId)).toEqual([8453]);
    expect(settings.filter(({ origin }) => Object.hasOwn(env, origin))).toHaveLength(lines.length);
  });
});
