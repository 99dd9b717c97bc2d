import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { runCommand } from '../kit/command-line.ts';
import { busyChain, database, serve } from '../kit/scene.ts';

const ADDRESS = `0x${'aa'.repeat(20)}`;

/** Answers `supportsInterface` as an ERC-721 collection does, and nothing else. */
function supportsErc721(data: Hex): Hex {
  if (!data.startsWith('0x01ffc9a7')) return '0x';
  return `0x${(data.startsWith('0x01ffc9a780ac58cd') ? '1' : '0').padStart(64, '0')}`;
}

test('a contract is added with a warning if it has no code or does not speak its protocol, or if nothing follows its chain', async () => {
  const { url, db } = await database();
  const chain = busyChain(20, 10);
  const server = await serve(chain);
  const deployed = `0x${'ab'.repeat(20)}` as const;
  chain.code.set(deployed, 5);
  const [mute, collection] = [`0x${'ad'.repeat(20)}`, `0x${'ae'.repeat(20)}`] as const;
  for (const address of [mute, collection]) chain.code.set(address, 5);
  chain.call = (to, data) => (to === deployed || to === collection ? supportsErc721(data) : '0x');
  const env = { DATABASE_URL: url, RPC_URL_31337: server.url };
  const warning = `master ${ADDRESS} has no code on chain 31337 at block 20`;
  const first = await runCommand(['contracts', 'add', 'master', ADDRESS], env);
  expect(first).toMatchObject({ code: 0, out: `added master ${ADDRESS} on chain 31337\n` });
  expect(first.err).toMatch(new RegExp(`^indexer: warning: ${warning}.*followed all the same.*deployed later\n$`));
  const json = await runCommand(['contracts', 'add', 'master', ADDRESS, '--json'], env);
  expect(JSON.parse(json.out)).toMatchObject({
    contracts: [{ outcome: 'unchanged' }],
    warning: expect.stringContaining(warning),
  });
  const add = (kind: string, address: string) => runCommand(['contracts', 'add', kind, address], env);
  expect(await add('master', deployed)).toMatchObject({ code: 0, err: '' });
  expect(await add('artist-token', collection)).toMatchObject({
    code: 0,
    err:
      `indexer: warning: artist-token ${collection} speaks ERC-721 instead of ERC-20; it will be quarantined; ` +
      `remove it with: indexer contracts remove ${collection} --chain 31337\n`,
  });
  expect((await add('master', mute)).err).toContain(
    `master ${mute} does not say by ERC-165 that it speaks ERC-721: is`,
  );
  expect(await runCommand(['contracts', 'add', 'master', ADDRESS, '--chain', '8453'], env)).toMatchObject({
    code: 0,
    err: 'indexer: warning: chain 8453 has no RPC_URL_8453, so nothing will follow it until it is set\n',
  });
  const file = join(await mkdtemp(join(tmpdir(), 'import-')), 'contracts.json');
  await writeFile(file, JSON.stringify([ADDRESS, deployed].map((address) => ({ kind: 'master', address }))));
  const imported = await runCommand(['contracts', 'import', file], env);
  expect(imported).toMatchObject({ code: 0, err: expect.stringContaining(warning) });
  expect(imported.err).not.toContain(deployed);
  await db.query(`
    update indexer.contracts set identified_as = 'erc20 1.0', speaks_protocol = false, metadata_read_at = now(),
      identity_note = 'speaks ERC-721 instead of ERC-20' where address = '${collection}'`);
  const backfill = await runCommand(['backfill', '--from-block', '0', '--contract', collection], env);
  expect(backfill).toMatchObject({
    code: 1,
    out: `missing  artist-token ${collection}: 0-20 (quarantined: it speaks ERC-721 instead of ERC-20)\n`,
    err: expect.stringMatching(
      new RegExp(`not filled: .* remove them with: indexer contracts remove ${collection} --chain 31337\n$`),
    ),
  });
  const beyond = await runCommand(['backfill', '--from-block', '500'], env);
  expect(beyond).toMatchObject({
    code: 2,
    err: expect.stringContaining('block 500 does not exist yet: chain 31337 is at block 20'),
  });
  const list = await runCommand(['contracts', 'list'], env);
  expect(list.out).toMatch(new RegExp(`artist-token +${collection} +quarantined +\\? +- +it speaks ERC-721`));
  expect((await runCommand(['status'], env)).out).toMatch(/, 1 quarantined \(why: indexer contracts list\)\n/);
  await server.close();
  const blind = await runCommand(['contracts', 'add', 'master', `0x${'ac'.repeat(20)}`], env);
  expect(blind).toMatchObject({
    code: 0,
    err: expect.stringMatching(/it was not checked what .* RPC_URL_31337: nothing/),
  });
  expect((await db.query('select from indexer.contracts')).rowCount).toBe(6);
});
