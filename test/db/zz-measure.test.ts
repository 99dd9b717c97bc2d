import { appendFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { rebuildState } from '../../indexer/ingest/rebuild-state.ts';
import { provableContracts } from '../../indexer/ingest/provable-contracts.ts';
import { MASTER, announce } from '../kit/music.ts';
import { insertArtist } from '../kit/platform-rows.ts';
import { Program } from '../kit/program.ts';
import { database } from '../kit/scene.ts';
import { prepareContracts } from '../../indexer/registry/prepare.ts';
import { coverageFingerprint } from '../../indexer/protocols/fingerprint.ts';

const log = (...words: unknown[]) => appendFileSync('/tmp/measure-verify.log', words.join(' ') + '\n');
const TOKENS = Number(process.env.TOKENS ?? 200_000);
const CHAIN = 31_337;

test('measure', async () => {
  const { url, db } = await database();
  const artist = await insertArtist(db);
  await announce(db, artist, { kind: 'master', chainId: CHAIN, address: MASTER, block: 1 });
  const open = openDatabase({ url, statementTimeoutMs: 0 });
  await prepareContracts(open, CHAIN);
  const [contract] = await provableContracts(open.kysely, CHAIN);
  await db.query(`insert into indexer.chains (chain_id, head_number, head_hash, finalized_number) values ($1, 2000, '0x' || lpad('f4a10', 64, '0'), 1990) on conflict (chain_id) do update set head_number = 2000, head_hash = excluded.head_hash, finalized_number = 1990`, [CHAIN]);
  await db.query(`update indexer.contracts set covered = '{[0,2001)}', fingerprint = $1`, [coverageFingerprint(contract as never)]);
  const client = await db.connect();
  await client.query(`set session_replication_role = replica`);
  await client.query(`insert into nft_transfers (id, chain_id, block_number, block_hash, block_timestamp, log_index, tx_hash, contract_address, token_id, master_nft_id, master_id, from_wallet, to_wallet, transfer_type)
    select gen_random_uuid(), '${CHAIN}', 1 + n / 1000, '0x' || lpad(to_hex(n/1000), 64, '0'), to_timestamp(1700000000 + n/1000*2), n % 1000, '0x' || lpad(to_hex(n), 64, '0'), '${MASTER}', n,
      indexer.derived_id('master_nfts:${CHAIN}:${MASTER}:' || n), '${artist.masterId}', '0x0000000000000000000000000000000000000000', '0x' || lpad(to_hex(43248386048 + n % 5000), 40, '0'), 'mint'
    from generate_series(0, ${TOKENS - 1}) n`);
  client.release(true);
  await db.query('vacuum analyze nft_transfers');
  const t0 = performance.now();
  await rebuildState(open, contract as never);
  log('TOKENS', TOKENS, 'multicall', process.env.MULTICALL, 'rebuild', (performance.now() - t0) / 1000);
  await db.query('vacuum analyze master_nfts');
  await open.close();
  const node = spawn(process.execPath, ['/tmp/fake-node.mjs'], { env: { ...process.env, TOKENS: String(TOKENS) } });
  const port = await new Promise<string>((r) => node.stdout.on('data', (d) => r(/port (\d+)/.exec(String(d))![1]!)));
  try {
    const env = { DATABASE_URL: url, [`RPC_URL_${CHAIN}`]: `http://127.0.0.1:${port}` };
    for (const args of [['--sample', '200'], ['--all']]) {
      const t = performance.now();
      const v = new Program(['verify', ...args, '--json'], env);
      let peak = 0;
      const timer = setInterval(async () => { peak = Math.max(peak, await v.memory()); }, 200);
      const code = await v.exited;
      clearInterval(timer);
      log(args.join(' '), code, (performance.now() - t) / 1000, 's', 'peak MiB', Math.round(peak), v.stdout.slice(-230).trim(), v.stderr.slice(-300));
    }
  } finally { node.kill(); }
}, 3_000_000);
