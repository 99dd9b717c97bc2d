import { type Command, Option } from 'commander';
import type { Config } from '../config/resolve.ts';
import { UsageError } from '../kernel/errors.ts';
import { address, chainOf, positiveNumber } from './arguments.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { withSession } from './session.ts';

type Switch = 'on' | 'off';
type Given = { readonly dividend?: Switch; readonly daily?: Switch; readonly chain?: number };

/** `indexer contracts snapshots`: chooses which snapshots of a master's owners are taken without a request. */
export function addSnapshotChoice(contracts: Command, io: Io): void {
  contracts
    .command('snapshots')
    .description(
      'choose which snapshots of the owners of a master are taken. Snapshots of a kind that is turned off are deleted',
    )
    .argument('<master>', 'the master contract', address)
    .addOption(
      new Option('--dividend <on|off>', 'take a snapshot at each distribution of dividends (default: on)').choices([
        'on',
        'off',
      ]),
    )
    .addOption(
      new Option('--daily <on|off>', 'take a snapshot at each midnight UTC (default: on up to 5,000 tokens)').choices([
        'on',
        'off',
      ]),
    )
    .option('--chain <id>', 'its chain (default: the only one that is configured)', positiveNumber)
    .action(async (contract: ReturnType<typeof address>, { dividend, daily, chain }: Given, command: Command) => {
      if (dividend === undefined && daily === undefined)
        throw new UsageError('name --dividend or --daily, with on or off');
      const options = command.optsWithGlobals<GlobalOptions>();
      const prepare = (config: Config) => chainOf(chain, config);
      await withSession(io, options, { prepare }, async ({ database, prepared: chainId }) => {
        const { chooseSnapshots } = await import('../stages/snapshot-settings.ts');
        const isOn = (choice: Switch | undefined) => (choice === undefined ? undefined : choice === 'on');
        await chooseSnapshots(database, { chainId, contract, dividend: isOn(dividend), daily: isOn(daily) });
        const chosen = Object.entries({ dividend, daily }).filter(([, choice]) => choice !== undefined);
        printResult(io, options, { snapshots: { chainId, contract, ...Object.fromEntries(chosen) } }, [
          `snapshots of master ${contract} on chain ${chainId}: ${chosen.map((pair) => pair.join(' ')).join(', ')}`,
        ]);
      });
    });
}
