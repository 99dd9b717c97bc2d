import axe, { type AxeResults } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ChainServer } from '../kit/chain-server.ts';
import { hasChromium, openPage, startChromium } from '../kit/chromium.ts';
import { Daemon } from '../kit/daemon.ts';
import { announceAll, busyBlocks } from '../kit/music.ts';
import { TcpProxy } from '../kit/proxy.ts';
import type { Queryable } from '../kit/queryable.ts';
import { busyChain, createScene, database, follow, serve } from '../kit/scene.ts';
import { expectSettled, liveChainOf } from '../kit/settled.ts';
import { HANG_TIMEOUT_MS, until } from '../kit/until.ts';

const MANY_CONTRACTS = 10_000;
const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>';

const heading = (page: Page) => page.locator('h1').textContent();
/** Expects what the page shows, once the page has got the state that shows it. */
const eventually = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: HANG_TIMEOUT_MS });
const titled = (page: Page, text: string) =>
  until(`the title "${text}"`, async () => (await page.title()).includes(text));
const shows = (page: Page, selector: string, text: string) =>
  until(`"${text}" in ${selector}`, async () => (await page.locator(selector).textContent())?.includes(text));

/** Returns the rules of accessibility that the page violates, with the elements. */
async function violations(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<AxeResults>('axe.run()');
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

const overflow = (page: Page) => page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
const focused = (page: Page) => page.evaluate('document.activeElement.id');

const installed = await hasChromium();

const onChromium = test.skipIf(!installed);
let browser: Browser;
beforeAll(async () => {
  if (installed) browser = await startChromium();
});
afterAll(() => browser?.close());

onChromium(
  'the status page follows the chain live: history that is filled, new blocks, a reorg, and a halted chain with a hostile reason',
  async () => {
    const scene = await createScene({ announce: false, chain: busyChain(40) });
    const { chain, server, db, artist } = scene;
    const endpoint = { url: server.url, monthlyCalls: 1_000_000 };
    const daemon = await Daemon.start(scene.env, { haltDepth: 10, rpcUrls: [endpoint] });
    const { page, complaints, hosts } = await openPage(browser, daemon.url);
    await titled(page, '✓ All is well');
    const heal = server.misbehave({ methods: ['eth_getLogs'], do: { kind: 'latency', ms: 5_000 } });
    await announceAll(db, artist, chain);
    await shows(page, '.backfills', 'to fill');
    expect(await page.locator('progress').getAttribute('aria-label')).toContain('History of all contracts');
    await eventually(() => page.locator('.backfills .note').textContent()).toMatch(
      /^\d+ %, [\d,]+ blocks? to fill, (?:time left unknown|\d.* left)$/,
    );
    heal();
    await shows(page, '.backfills', 'No block of history is missing');
    await eventually(() => page.locator('[data-of=rate] .note').textContent()).toMatch(
      /^peak [1-9][\d,]* in a minute$/,
    );

    chain.append(...busyBlocks(3)(3));
    await shows(page, '[data-of=head]', '43');
    await scene.settled();
    await eventually(() => page.locator('[data-of=lag] dd').allTextContents()).toEqual([
      '0 blocks',
      '0 s, its head is 43',
    ]);
    await expectEndpoint(page, server);
    const strip = page.locator('.strip');
    await eventually(() => strip.getAttribute('aria-label')).toMatch(
      /^The newest \d+ blocks, \d+ to 43; [1-9]\d* of them final$/,
    );
    await eventually(() => strip.locator('span.final').count()).toBeGreaterThan(0);
    await eventually(() => strip.locator('span.open').last().getAttribute('title')).toContain(
      'block 43, not final yet',
    );
    chain.reorg(2, busyBlocks(4)(3));
    await shows(page, '.reorgs', '42 to 43');
    await eventually(() => strip.getAttribute('aria-label')).toContain(
      'reorg of 2 blocks: blocks 42 to 43 replaced at',
    );
    await eventually(() => strip.locator('.fork').getAttribute('title')).toContain('block 42, not final yet');
    await eventually(() => page.locator('#announcement').textContent()).toBe('All is well');
    await eventually(() => heading(page)).toBe('All is well');

    chain.reorg(12, busyBlocks(7)(13));
    await titled(page, '! Local chain: halted');
    await eventually(() => heading(page)).toBe('1 problem');
    await eventually(() => page.locator('#announcement').textContent()).toContain('halted');
    await eventually(() => page.locator('.chain').getAttribute('data-tone')).toBe('bad');
    await expectCounts(page, db);
    await db.query('update indexer.chains set status_reason = $1', [HOSTILE]);
    await shows(page, '#reasons', HOSTILE);
    await until('the reason of a stage', async () => {
      // The stage clears its reason when it succeeds.
      await db.query('update indexer.stages set failed_reason = $1', [HOSTILE]);
      return (await page.locator('.stages').textContent())?.includes(HOSTILE);
    });
    expect(await page.locator('img').count()).toBe(0);
    expect(await violations(page)).toEqual([]);
    expect(complaints).toEqual([]);
    expect([...hosts]).toEqual([new URL(daemon.url).host]);
  },
);

onChromium(
  'the status page says that the database or the indexer itself is gone, how old the shown state is, and recovers',
  async () => {
    const { url } = await database();
    const databaseProxy = await TcpProxy.before(url);
    const { daemon } = await follow({ databaseProxy });
    const { page } = await openPage(browser, daemon.url);
    await titled(page, 'All is well');
    for (const cut of ['refuse', 'stall'] as const) {
      databaseProxy[cut]();
      await titled(page, '! The database does not answer');
      await eventually(() => page.locator('#summary').textContent()).toMatch(/^Below is the state of \d+ s ago\.$/);
      databaseProxy.heal();
      await titled(page, 'All is well');
    }
    const silent = await page.evaluate(
      "import('/verdict.js').then(({ decideVerdict }) => decideVerdict({ status: {} }, 'open', 75))",
    );
    expect(silent).toMatchObject({
      heading: 'No news from the indexer',
      summary: 'Its database may hang. Below is the state of 1 min 15 s ago.',
    });
    await daemon.kill();
    await titled(page, '? Connection to the indexer lost');
    await eventually(() => page.locator('main').getAttribute('class')).toBe('old');
    await eventually(() => page.locator('#announcement').textContent()).toBe('Connection to the indexer lost');
  },
);

onChromium(
  'the status page finds one of ten thousand contracts by keyboard, fits every screen, and is accessible in light and dark',
  async () => {
    const other = busyChain(24, 8, 8_453);
    const { chain, db, daemon, settled } = await follow({ otherChains: [await serve(other)] });
    await settled();
    await expectSettled(db, liveChainOf(other));
    await insertContracts(db);
    const { page, complaints } = await openPage(browser, daemon.url, { viewport: { width: 1_600, height: 900 } });
    await shows(page, '#found', '1 to 50 of 10,008 contracts');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await focused(page)).toBe('search');
    await page.keyboard.type('artist');
    await shows(page, '#found', '1 to 50 of 2,502 contracts');
    for (const id of ['chain', 'incomplete', 'previous', 'next']) {
      await page.keyboard.press('Tab');
      expect(await focused(page)).toBe(id);
    }
    await page.keyboard.press('Enter');
    await shows(page, '#found', '51 to 100 of 2,502 contracts');
    expect(await focused(page)).toBe('next');

    await page.locator('#search').fill(contractAddress(7_000).toUpperCase().replace('0X', '0x'));
    await shows(page, '#found', '1 to 1 of 1 contract');
    await shows(page, '#contracts', '2 gaps, 60 blocks missing');
    expect(await page.locator('#contracts .missing').getAttribute('d')).toBe('M100 0h50v10h-50zM500 0h10v10h-10z');
    const row = await page.locator('#contracts tr').elementHandle();
    await page.waitForResponse(/\/contracts/);
    await page.waitForResponse(/\/contracts/);
    expect(await row?.evaluate((element) => element.isConnected)).toBe(true);
    expect(await focused(page)).toBe('search');
    await page.locator('#search').fill('');
    await page.locator('#incomplete').check();
    await shows(page, '#found', 'of 5,000 contracts');
    await page.locator('#incomplete').uncheck();
    await page.locator('#chain').selectOption(String(chain.chainId));
    await shows(page, '#found', '1 to 4 of 4 contracts');
    await page.locator('#chain').selectOption('');

    const grounds = new Set();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      grounds.add(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
      expect(await violations(page)).toEqual([]);
      for (const width of [1_920, 1_600, 800, 390, 360]) {
        await page.setViewportSize({ width, height: 900 });
        expect([width, await overflow(page)]).toEqual([width, 0]);
      }
    }
    expect(grounds.size).toBe(2);
    expect(complaints).toEqual([]);
  },
);

/** Expects the health, the calls and the error rate of the chain's only endpoint, and what is spent of its budget. */
async function expectEndpoint(page: Page, server: ChainServer): Promise<void> {
  server.misbehave({ times: 2, do: { kind: 'http', status: 503 } });
  const row = page.locator('.endpoints tbody tr');
  await eventually(() => row.locator('th span').allTextContents()).toEqual([`127.0.0.1:${server.port}#0`]);
  await eventually(() => row.locator('.state').textContent()).toMatch(
    /^healthy, [1-9][\d.]*K? of 1M calls spent this month$/,
  );
  await eventually(() => row.locator('td').first().textContent()).toMatch(/^[1-9][\d.]*K?$/);
  await eventually(() => row.locator('td').nth(1).textContent()).toMatch(/^\d+\.\d %$/);
}

/** Inserts repairs and dead letters, and expects that the page counts them, and the one reorg. */
async function expectCounts(page: Page, db: Queryable): Promise<void> {
  await db.query(`
    insert into indexer.repairs (chain_id, address, kind, from_block, to_block, cause, facts_added, facts_removed)
    select 31337, '0x' || repeat('1', 40), 'master', block, block, 'proof', 1, 0 from generate_series(1, 3) block`);
  await db.query(`
    insert into indexer.dead_letters (id, chain_id, kind, range_from, range_to, reason)
    select gen_random_uuid(), 31337, 'job', n, n, 'too large' from generate_series(1, 2) n`);
  for (const [name, number] of Object.entries({ Reorgs: '1', Repairs: '3', 'Dead letters': '2' })) {
    const pair = page.locator('.counts div', { has: page.getByText(name, { exact: true }) });
    await eventually(() => pair.locator('dd').textContent()).toBe(number);
  }
}

const contractAddress = (n: number) => `0x${n.toString(16).padStart(40, '0')}`;

/** Inserts contracts of a chain that no program follows. Every second one has two gaps. */
async function insertContracts(db: Queryable): Promise<void> {
  await db.query(
    "insert into indexer.chains (chain_id, head_number, head_hash, finalized_number) values (10, 1000, '0x' || repeat('ab', 32), $1)",
    [900],
  );
  await db.query(
    `insert into indexer.contracts (chain_id, address, kind, platform_id, deployed_at_block, covered)
     select 10, '0x' || lpad(to_hex(n), 40, '0'), (array['master', 'dividend', 'artist_token', 'pool'])[1 + n % 4], gen_random_uuid(), 1,
       case when n % 2 = 0 then '{[0,101), [151,501), [511,1001)}' else '{[0,1001)}' end::int8multirange
     from generate_series(1, $1::int) n`,
    [MANY_CONTRACTS],
  );
}
