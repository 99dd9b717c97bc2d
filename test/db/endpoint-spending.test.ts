import { pino } from 'pino';
import { expect, inject, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { addSpending } from '../../indexer/progress/endpoint-spending.ts';
import { recordSpending } from '../../indexer/roles/record-spending.ts';
import { createMeters, type Meter } from '../../indexer/rpc/meter.ts';
import { TcpProxy } from '../kit/proxy.ts';
import { database } from '../kit/scene.ts';
import { until } from '../kit/until.ts';

const KEY = 'aSecretKeyOf24Characters';
const FIRST = { host: 'a.example', keyHash: '0001' };
const SECOND = { host: 'b.example', keyHash: '0002' };
const ENDPOINT = { url: `https://rpc.example/v2/${KEY}`, monthlyCalls: 100 };
const THIS_MONTH = `date_trunc('month', now() at time zone 'UTC')::date`;

/** Opens a database as a process of its own does. */
function process(url: string) {
  const open = openDatabase({ url });
  onTestFinished(() => open.close());
  return open;
}

function spend(meters: readonly (Meter | undefined)[], calls: number): void {
  for (const meter of meters) meter?.take(Array.from({ length: calls }, () => ({ method: 'eth_getLogs' })));
}

test('processes that add at the same time to the same accounts, in any order, lose nothing and do not wait in a circle', async () => {
  const { url, db } = await database();
  const [one, two] = [process(url), process(url)];
  const cost = { calls: 1, computeUnits: 20 };
  const additions = Array.from({ length: 50 }, () => [
    addSpending(one.kysely, [
      { ...FIRST, ...cost },
      { ...SECOND, ...cost },
    ]),
    addSpending(two.kysely, [
      { ...SECOND, ...cost },
      { ...FIRST, ...cost },
      { ...FIRST, ...cost },
    ]),
  ]).flat();
  await Promise.all(additions);
  const { rows } = await db.query(
    `select host, calls::int, compute_units::int, month = ${THIS_MONTH} as present from indexer.endpoint_spending order by host`,
  );
  expect(rows).toEqual([
    { host: 'a.example', calls: 150, compute_units: 3_000, present: true },
    { host: 'b.example', calls: 100, compute_units: 2_000, present: true },
  ]);
});

test('a new month begins at zero, and months that are more than 13 back are deleted', async () => {
  const { url, db } = await database();
  const { kysely } = process(url);
  await addSpending(kysely, [{ ...FIRST, calls: 70, computeUnits: 7 }]);
  // Moves this month's spending to the last month, as at the end of a month.
  await db.query(`update indexer.endpoint_spending set month = month - interval '1 month'`);
  for (const months of [13, 14])
    await db.query(
      `insert into indexer.endpoint_spending select month - interval '${months - 1} months', host, key_hash, 1, 1
       from indexer.endpoint_spending where calls = 70`,
    );
  const [total] = await addSpending(kysely, [{ ...FIRST, calls: 2, computeUnits: 3 }]);
  expect(total).toMatchObject({ ...FIRST, calls: 2, computeUnits: 3 });
  const { rows } = await db.query(
    `select calls::int, (extract(year from age(${THIS_MONTH}, month)) * 12 + extract(month from age(${THIS_MONTH}, month)))::int as back
     from indexer.endpoint_spending order by back`,
  );
  expect(rows).toEqual([
    { calls: 2, back: 0 },
    { calls: 70, back: 1 },
    { calls: 1, back: 13 },
  ]);
});

test('counts go on after a restart, survive an outage, are added when a process stops, and the key is not in the table', async () => {
  const { url, db } = await database();
  const proxy = await TcpProxy.before(inject('postgresUrl'));
  const lines: { readonly msg: string; readonly [field: string]: unknown }[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const record = () => {
    const meters = createMeters([ENDPOINT], () => 0);
    return { meters, stop: recordSpending({ database: process(proxy.url(url)), log }, [{ chainId: 7, meters }]) };
  };
  const spent = async () => (await db.query('select calls::int from indexer.endpoint_spending')).rows[0]?.calls;

  const first = record();
  await until('the first total', () => first.meters[0]?.budget?.state() !== undefined);
  spend(first.meters, 50);
  await first.stop();
  expect(await spent()).toBe(50);
  expect(lines).toEqual([]);

  proxy.refuse();
  const second = record();
  spend(second.meters, 30);
  await until('the failure', () => lines.some(({ msg }) => msg === 'periodic task failed'));
  expect(second.meters[0]?.budget?.state()).toBeUndefined();
  proxy.heal();
  await second.stop();
  expect(await spent()).toBe(80);
  const state = { chain: 7, endpoint: 'rpc.example#0', unit: 'calls', limit: 100 };
  expect(lines.at(-1)).toMatchObject({
    ...state,
    spent: 80,
    msg: expect.stringMatching(/^80 % of the monthly budget/),
  });

  const third = record();
  await until('the total', () => third.meters[0]?.budget?.state()?.spent === 80);
  spend(third.meters, 25);
  await third.stop();
  expect(lines.at(-1)).toMatchObject({
    ...state,
    spent: 105,
    msg: 'all of the monthly budget of an endpoint is spent',
  });
  const { rows } = await db.query('select endpoint_spending::text as row from indexer.endpoint_spending');
  expect(rows).toEqual([{ row: expect.stringMatching(/^\(\d{4}-\d\d-01,rpc\.example,[0-9a-f]{4},105,6300\)$/) }]);
  expect(JSON.stringify(lines)).not.toContain(KEY);
});

test('nothing is read or written where no endpoint has a budget', async () => {
  const { url, db } = await database();
  const statements: number[] = [];
  const open = openDatabase({ url, onStatement: (seconds) => void statements.push(seconds) });
  onTestFinished(() => open.close());
  const meters = createMeters(['https://rpc.example', { url: 'https://rpc.example', callsPerSecond: 5 }], () => 0);
  spend(meters, 5);
  await recordSpending({ database: open, log: pino({ level: 'silent' }) }, [{ chainId: 7, meters }])();
  expect(statements).toEqual([]);
  const budgeted = createMeters([ENDPOINT], () => 0);
  const stop = recordSpending({ database: open, log: pino({ level: 'silent' }) }, [{ chainId: 7, meters: budgeted }]);
  await until('the total', () => budgeted[0]?.budget?.state() !== undefined);
  await stop();
  // The total is read once. As nothing was spent since, nothing is added at the stop.
  expect(statements).toHaveLength(1);
  expect((await db.query('select calls::int from indexer.endpoint_spending')).rows).toEqual([{ calls: 0 }]);
});
