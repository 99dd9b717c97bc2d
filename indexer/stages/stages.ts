import { claimLinks } from './claim-links.ts';
import type { Stage } from './stage.ts';

/** Every stage, in the order in which they run. A stage may read what an earlier one wrote, and is never beyond it. */
export const stages: readonly Stage[] = [claimLinks];
