import type { Command } from 'commander';
import type { Config } from '../config/resolve.ts';
import { kindName } from '../kernel/chain.ts';
import { address, blockNumber, chainOf, positiveNumber } from './arguments.ts';
import { type GlobalOptions, type Io, printResult } from './io.ts';
import { withSession } from './session.ts';

type Given = { readonly abiVersion: string; readonly fromBlock: number; readonly chain?: number };

/** `indexer contracts upgrade ADDR`: records that an upgraded proxy has another ABI version. */
export function addUpgrade(contracts: Command, io: Io): void {
  contracts
    .command('upgrade')
    .description('record that an upgraded proxy has another ABI version from a block on. It is safe to repeat')
    .argument('<address>', 'the contract', address)
    .requiredOption('--abi-version <version>', 'the ABI version from that block on')
    .requiredOption('--from-block <n>', 'the block of the upgrade', blockNumber)
    .option('--chain <id>', 'its chain (default: the only one that is configured)', positiveNumber)
    .addHelpText('after', '\nThe history of the contract is read again: see `indexer status`.')
    .action(async (contract: ReturnType<typeof address>, given: Given, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { abiVersion, fromBlock, chain } = given;
      const prepare = async (config: Config) => {
        const { refuseUnknownAbiVersion } = await import('../registry/upgrade.ts');
        refuseUnknownAbiVersion(abiVersion);
        return chainOf(chain, config);
      };
      await withSession(io, options, { prepare }, async ({ database, prepared: chainId }) => {
        const { upgradeContract } = await import('../registry/upgrade.ts');
        const upgraded = await upgradeContract(database, { chainId, address: contract, abiVersion, fromBlock });
        const versions = upgraded.upgrades.map((upgrade) => `${upgrade.abiVersion} from block ${upgrade.fromBlock} on`);
        printResult(io, options, { contract: upgraded }, [
          `${kindName(upgraded.kind)} ${contract} of chain ${chainId}: ABI version ${[upgraded.abiVersion, ...versions].join(', ')}`,
        ]);
      });
    });
}
