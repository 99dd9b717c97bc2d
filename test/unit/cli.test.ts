import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { IndexerError } from '../../indexer/kernel/errors.ts';
import { parseContracts } from '../../indexer/registry/import.ts';
import { runCommand } from '../kit/command-line.ts';

const ADDRESS = `0x${'Ab'.repeat(20)}`;
const UNREACHABLE = 'postgres://indexer:hunter2@127.0.0.1:1/mirror';

describe('wrong usage', () => {
  it.each<[string, string[], RegExp]>([
    ['no command', [], /Usage: indexer/],
    ['a command that does not exist', ['stauts'], /unknown command 'stauts'[\s\S]*Did you mean status\?/],
    ['an option that does not exist', ['status', '--josn'], /unknown option '--josn'[\s\S]*--json/],
    ['a group without its command', ['contracts'], /Usage: indexer contracts/],
    ['a required option that is missing', ['unwind'], /--to-block/],
    ['an argument that is missing', ['contracts', 'remove'], /missing required argument 'address'/],
    ['a number that is invalid', ['unwind', '--to-block', '-1'], /whole number/],
    ['an address that is invalid', ['contracts', 'add', 'master', '0x12'], /40 hexadecimal digits/],
    ['a kind that does not exist', ['contracts', 'add', 'nft', ADDRESS], /master, dividend, artist-token, pool/],
    ['too many arguments', ['status', 'now'], /too many arguments/],
    ['a sample of nothing', ['verify', '--sample', '0'], /at least 1/],
  ])('%s: exits 2 with a hint on standard error', async (_, args, hint) => {
    const ran = await runCommand(args);
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toMatch(hint);
  });
});

describe('wrong usage of verify', () => {
  const env = { DATABASE_URL: UNREACHABLE, RPC_URL_1: 'http://127.0.0.1:1' };

  it.each<[string, string[], RegExp]>([
    ['all and a sample', ['--all', '--sample', '5'], /--all and --sample exclude each other/],
    ['a repair of a chain that is not configured', ['--repair', '--chain', '5'], /chain 5 is not configured/],
  ])('%s: exits 2 before it opens a connection', async (_, args, hint) => {
    const ran = await runCommand(['verify', ...args], env);
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toMatch(hint);
  });
});

describe('help', () => {
  it('goes to standard output and is a success', async () => {
    const ran = await runCommand(['--help']);
    expect(ran).toMatchObject({ code: 0, err: '' });
    for (const command of ['start', 'migrate', 'contracts', 'status', 'unwind', 'verify', 'digest', 'dead-letters'])
      expect(ran.out).toContain(`  ${command}`);
    expect(ran.out).toMatch(/DATABASE_URL[\s\S]*RPC_URL_<chainId>/);
  });

  it.each([
    ['start'],
    ['migrate'],
    ['contracts', 'add'],
    ['contracts', 'import'],
    ['unwind'],
    ['verify'],
    ['status'],
    ['dead-letters', 'retry'],
  ])('of %s %s names the options that every command takes', async (...command) => {
    const ran = await runCommand([...command, '--help']);
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/--config <file>[\s\S]*--json/);
  });

  it('--version prints the version', async () => {
    expect(await runCommand(['--version'])).toMatchObject({ code: 0, out: '1.2.3\n' });
  });
});

describe('failure', () => {
  it('of the configuration exits 1 with every fault in one message', async () => {
    const ran = await runCommand(['start'], { RPC_URL_x: 'https://a.example', HTTP_PORT: 'many' });
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toMatch(
      /DATABASE_URL[\s\S]*RPC_URL_x[\s\S]*HTTP_PORT|DATABASE_URL[\s\S]*HTTP_PORT[\s\S]*RPC_URL_x/,
    );
  });

  it('of the database exits 1 and shows the host but no password', async () => {
    const ran = await runCommand(['status'], { DATABASE_URL: UNREACHABLE });
    expect(ran.code).toBe(1);
    expect(ran.err).toContain('127.0.0.1:1');
    expect(ran.err).not.toContain('hunter2');
  });

  it('shows the cause, without secrets', async () => {
    const extend = (program: Command) =>
      void program.command('fail').action(() => {
        throw new IndexerError('no chain', { cause: new Error('GET https://rpc.example/v2/abcdef') });
      });
    expect((await runCommand(['fail'], {}, { extend })).err).toBe(
      'indexer: no chain: GET https://rpc.example/[redacted]\n',
    );
  });
});

describe('a file of contracts', () => {
  const master = { kind: 'master', address: ADDRESS, chainId: 1, fromBlock: 7 };

  it('is a JSON array or JSON lines, with or without a default chain', () => {
    const [parsed] = parseContracts(JSON.stringify([master]));
    expect(parsed).toMatchObject({ kind: 'master', address: ADDRESS.toLowerCase(), chainId: 1, fromBlock: 7 });
    expect(parseContracts(`${JSON.stringify(master)}\n\n${JSON.stringify(master)}\n`)).toHaveLength(2);
    const { chainId: _, ...withoutChain } = master;
    expect(parseContracts(JSON.stringify(withoutChain), 10)).toMatchObject([{ chainId: 10 }]);
    expect(parseContracts('')).toEqual([]);
  });

  it('with faults imports nothing and lists each fault with its line', () => {
    const lines = [
      JSON.stringify(master),
      'nonsense',
      JSON.stringify({ ...master, kind: 'nft', address: '0x1' }),
      JSON.stringify({ ...master, artistId: 'me', color: 'red' }),
      JSON.stringify({ kind: 'pool', address: ADDRESS, chainId: -1, type: 'curve' }),
    ];
    expect(() => parseContracts(lines.join('\n'))).toThrow(
      [
        'nothing was imported:',
        '  line 2: is not a JSON object',
        '  line 3: kind must be master, dividend, artist-token or pool',
        '  line 3: address must be an address: 0x and 40 hexadecimal digits',
        '  line 4: artistId must be a UUID',
        '  line 4: artistId does not go with master',
        '  line 4: color is unknown; there are kind, address, chainId, fromBlock, masterId, masterContract, artistId, type, token0, token1',
        '  line 5: chainId must be a whole number',
        '  line 5: pools of type curve are not supported (supported: uniswap_v2, sushiswap)',
      ].join('\n'),
    );
  });
});
