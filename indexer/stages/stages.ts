import { claimLinks } from './claim-links.ts';
import { dividends } from './dividends/dividends.ts';
import { revenueLinks } from './revenue-links.ts';
import { snapshots } from './snapshots.ts';
import type { Stage } from './stage.ts';

/** All stages in the order in which they run. A stage may read the rows of an earlier stage and never moves beyond it. */
export const stages: readonly Stage[] = [claimLinks, revenueLinks, dividends, snapshots];
