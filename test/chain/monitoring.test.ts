import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { Daemon } from '../kit/daemon.ts';
import { encodeEvent } from '../kit/event-logs.ts';
import { busyBlocks, MASTER, WALLETS } from '../kit/music.ts';
import { EVENT_ABIS } from '../kit/oracle/events.ts';
import { hasPrometheus, startPrometheus } from '../kit/prometheus.ts';
import { busyChain, createScene } from '../kit/scene.ts';
import { until } from '../kit/until.ts';

const ROOT = join(import.meta.dirname, '../..');
const RULES = join(ROOT, 'config/deploy/alerts.yaml');
const CONFIGURATION = join(ROOT, 'config/deploy/prometheus.yaml');
const UNIT_TESTS = join(ROOT, 'test/fixtures/alerts.yaml');
const DASHBOARD = join(ROOT, 'config/deploy/grafana/dashboard.json');

type Rule = {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
};
type Panel = { readonly title: string; readonly targets: readonly { readonly expr: string }[] };

const readText = (path: string) => readFileSync(path, 'utf8');
const OPERATIONS = readText(join(ROOT, 'docs/operations.md'));
const rules = (parse(readText(RULES)) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const panels = (JSON.parse(readText(DASHBOARD)) as { panels: Panel[] }).panels;

/** Matches metrics that appear only after a daily verification, an error, or an event on the chain. */
const RARE = /indexer_verify_|rpc_errors_total|"dead_letters"|last_hour/;

test('every alert has a severity and a section for the operator, and no section is left over', () => {
  const sections = [...OPERATIONS.matchAll(/^### (Indexer\w+)$/gm)].map(([, name]) => name);
  expect(sections).toEqual(alerts.map(({ alert }) => alert));
  for (const { alert = '', labels = {}, annotations = {} } of alerts) {
    expect(['critical', 'warning'], alert).toContain(labels.severity);
    expect(Object.keys(annotations), alert).toEqual(['summary', 'description', 'runbook_url']);
    expect(annotations.runbook_url).toBe(`docs/operations.md#${alert.toLowerCase()}`);
  }
});

test('every alert is raised in a unit test of the rules', () => {
  const raised = new Set([...readText(UNIT_TESTS).matchAll(/alertname="(\w+)", severity/g)].map(([, name]) => name));
  expect(alerts.map(({ alert }) => alert).filter((alert) => !raised.has(alert))).toEqual([]);
});

const installed = await hasPrometheus();

describe.skipIf(!installed)(`Prometheus${installed ? '' : ' (NOT INSTALLED HERE)'}`, () => {
  test('the configuration and its rules are valid, and each alert is raised when it should be and only then', async () => {
    await promisify(execFile)('promtool', ['check', 'config', CONFIGURATION]);
    await promisify(execFile)('promtool', ['test', 'rules', UNIT_TESTS]);
  });

  test('a daemon serves what alerts and dashboard ask for, and a paused contract becomes an alert', async () => {
    const chain = busyChain(60, 40);
    const { server, env, db, settled } = await createScene({ chain });
    const daemon = await Daemon.start(env, { rpcUrls: [{ url: server.url, monthlyCalls: 1_000_000 }] });
    const statements = [...OPERATIONS.matchAll(/`(select [^`]+ from [^`]+)`/g)].map(([, statement = '']) => statement);
    expect(statements).not.toEqual([]);
    for (const statement of statements) await db.query(statement);
    const port = await daemon.port();
    const { query, rules: evaluated } = await startPrometheus([`127.0.0.1:${port}`]);
    await settled();
    chain.reorg(2, busyBlocks(3)(3));
    await settled();
    await until('the reorg to be scraped', async () => (await query('indexer_reorgs_total')).length > 0);

    const served = new Set((await daemon.metrics()).flatMap((line) => /^# TYPE (\S+)/.exec(line)?.[1] ?? []));
    const expressions = [
      ...rules.map(({ expr }) => expr),
      ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ];
    const names = expressions.flatMap((expr) => expr.match(/\b(?:indexer|rpc|db|process|nodejs)_\w+/g) ?? []);
    expect(names.length).toBeGreaterThan(50);
    expect(names.filter((name) => !served.has(name.replace(/_(bucket|sum|count)$/, '')))).toEqual([]);

    const shown = panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr })));
    for (const { title, expr } of shown.filter(({ expr }) => !RARE.test(expr)))
      await until(`data of the panel ${title}`, async () => (await query(expr.replaceAll('$chain', '.*'))).length > 0);
    // The left side of each comparison must have series, which shows that its labels are right.
    for (const { alert, expr } of alerts.filter(({ expr }) => !RARE.test(expr)))
      await until(`series of ${alert}`, async () => (await query(withoutBounds(expr))).length > 0);

    chain.append({ logs: [{ address: MASTER, ...encodeEvent(EVENT_ABIS.Paused, { account: WALLETS[0] }) }] });
    await settled();
    const firing = 'ALERTS{alertstate="firing", severity="critical"}';
    await until('the alert', async () => (await query(firing)).length > 0);
    const fired = (await query(firing)).map(({ metric }) => [metric.alertname, metric.chain]);
    expect(fired).toEqual([['IndexerContractPaused', '31337']]);
    // The metric includes calls that are not saved yet. The daemon must also save the number of calls while it runs.
    await until('what was spent', async () => {
      const { rows } = await db.query('select calls::int from indexer.endpoint_spending');
      return rows[0]?.calls > 0;
    });
    expect((await evaluated()).filter(({ health }) => health !== 'ok')).toEqual([]);
  });
});

/** Returns an alert's expression without its bounds, so that it has values although nothing is wrong. */
function withoutBounds(expr: string): string {
  return expr.replaceAll(/(?:==|>=|>|<) [\d.]+/g, '').replaceAll(/unless[^\n]*/g, '');
}
