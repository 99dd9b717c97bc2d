import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { readCompose } from '../kit/compose.ts';

const ROOT = join(import.meta.dirname, '../..');
const services = readCompose({ POSTGRES_PASSWORD: 'x', GRAFANA_PASSWORD: 'x', RPC_URL_8453: 'http://node.example' });

/** Returns the files of this checkout that a service mounts, by their path in the container. */
function mountsOf(service: string): ReadonlyMap<string, string> {
  const volumes = (services[service]?.volumes ?? []).map((volume) => volume.split(':'));
  const files = volumes.filter(([source]) => source?.startsWith('./'));
  return new Map(files.map(([source = '', target = '']) => [target, join(ROOT, source)]));
}

/** Reads a mounted file by its path in the container. */
const read = (mounts: ReadonlyMap<string, string>, path: string) => parse(readFileSync(mounts.get(path) ?? '', 'utf8'));

test('every file that compose.yaml mounts exists', () => {
  const files = Object.keys(services).flatMap((service) => [...mountsOf(service).values()]);
  expect(files.filter((file) => !existsSync(file))).toEqual([]);
  expect(files).toHaveLength(5);
});

test('Prometheus finds its configuration and its rules where they are mounted', () => {
  const mounts = mountsOf('prometheus');
  const [, path = ''] = /--config\.file=(\S+)/.exec(services.prometheus?.command?.join(' ') ?? '') ?? [];
  const { rule_files: rules } = read(mounts, path) as { rule_files: string[] };
  expect(rules.map((rule) => mounts.get(resolve(dirname(path), rule)))).toEqual([
    join(ROOT, 'config/deploy/alerts.yaml'),
  ]);
});

test('Grafana finds its data source and its dashboard where they are mounted', () => {
  const mounts = mountsOf('grafana');
  const provisioning = '/etc/grafana/provisioning';
  const { datasources } = read(mounts, `${provisioning}/datasources/datasource.yaml`);
  expect(services).toHaveProperty(new URL(datasources[0].url).hostname);
  const { providers } = read(mounts, `${provisioning}/dashboards/dashboards.yaml`);
  const dashboards = [...mounts].filter(([target]) => dirname(target) === providers[0].options.path);
  expect(dashboards.map(([, file]) => file)).toEqual([join(ROOT, 'config/deploy/grafana/dashboard.json')]);
  const uids = readFileSync(dashboards[0]?.[1] ?? '', 'utf8').matchAll(/"datasource": \{[^}]*"uid": "([^"]+)"/g);
  expect(new Set([...uids].map(([, uid]) => uid))).toEqual(new Set([datasources[0].uid]));
});
