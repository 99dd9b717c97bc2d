import type { Database } from '../../indexer/db/database.ts';
import { Drive } from './drive.ts';
import type { DriveOptions, Tally } from './drive-context.ts';
import { drawHistory } from './history.ts';

/** Runs the history of a seed on a database. An error names the seed and how to repeat it. */
export async function simulate(
  database: Database,
  seed: number,
  tally: Tally,
  options: DriveOptions = { detours: true },
): Promise<Drive> {
  try {
    const drive = new Drive(database, drawHistory(seed), tally, options);
    await drive.run();
    return drive;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(
      `seed ${seed} (repeat it: npm run sim -- --seed ${seed} --histories 1${liesOf(options)}): ${message}`,
      {
        cause: error,
      },
    );
  }
}

function liesOf({ lies }: DriveOptions): string {
  return lies === undefined ? '' : ` --lies ${lies}`;
}
