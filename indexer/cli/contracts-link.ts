import type { Command } from 'commander';
import type { Config } from '../config/resolve.ts';
import { address, chainOf, positiveNumber } from './arguments.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { withSession } from './session.ts';

type Address = ReturnType<typeof address>;

/** `indexer contracts link|unlink DIVIDEND MASTER`: records whether a dividend contract pays the holders of a master. */
export function addLinks(contracts: Command, io: Io): void {
  addLink(
    contracts,
    io,
    'link',
    true,
    'record that a dividend contract pays the holders of a master. It is safe to repeat',
  );
  addLink(
    contracts,
    io,
    'unlink',
    false,
    'record that a dividend contract does not pay the holders of a master, whatever the platform says',
  );
}

function addLink(contracts: Command, io: Io, name: string, serves: boolean, description: string): void {
  contracts
    .command(name)
    .description(description)
    .argument('<dividend>', 'the dividend contract', address)
    .argument('<master>', 'the master contract', address)
    .option('--chain <id>', 'their chain (default: the only one that is configured)', positiveNumber)
    .addHelpText('after', '\nThe dividends of the contract are then computed again; `indexer status` shows how far.')
    .action(async (dividend: Address, master: Address, { chain }: { chain?: number }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const prepare = (config: Config) => chainOf(chain, config);
      await withSession(io, options, { prepare }, async ({ database, prepared: chainId }) => {
        const { linkDividend } = await import('../registry/dividend-masters.ts');
        const link = { chainId, dividend, master, serves };
        await linkDividend(database, link);
        const verb = serves ? 'pays' : 'does not pay';
        printResult(io, options, { link }, [
          `dividend ${dividend} of chain ${chainId} ${verb} the holders of master ${master}`,
        ]);
      });
    });
}
