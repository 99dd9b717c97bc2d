import { seededRandom } from '../kit/random.ts';

/** Random choices, all drawn from one seed. */
export type Random = {
  /** An integer below `bound`. */
  below(bound: number): number;
  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number;
  /** True in `chance` of 100 cases. */
  percent(chance: number): boolean;
  pick<T>(choices: readonly T[]): T;
  /** One of the choices, with a probability proportional to its weight. */
  weighted<T>(choices: readonly (readonly [weight: number, choice: T])[]): T;
  shuffled<T>(items: readonly T[]): T[];
  /** Each item with a chance of one in two, but at least one. */
  some<T>(items: readonly T[]): T[];
  /** An independent generator. Its draws do not change the draws of this one. */
  fork(): Random;
};

/** Creates random choices from a seed (mulberry32). */
export function randomOf(seed: number): Random {
  const below = seededRandom(seed).below;
  const percent = (chance: number) => below(100) < chance;
  const pick = <T>(choices: readonly T[]): T => choices[below(choices.length)] as T;
  const shuffled = <T>(items: readonly T[]): T[] => {
    const mixed = [...items];
    for (let last = mixed.length - 1; last > 0; last--) {
      const other = below(last + 1);
      [mixed[last], mixed[other]] = [mixed[other] as T, mixed[last] as T];
    }
    return mixed;
  };
  return {
    below,
    between: (low, high) => low + below(high - low + 1),
    percent,
    pick,
    weighted(choices) {
      let rest = below(choices.reduce((sum, [weight]) => sum + weight, 0));
      for (const [weight, choice] of choices) {
        if (rest < weight) return choice;
        rest -= weight;
      }
      throw new TypeError('nothing to choose from');
    },
    shuffled,
    some(items) {
      const kept = items.filter(() => percent(50));
      return kept.length > 0 || items.length === 0 ? kept : [pick(items)];
    },
    fork: () => randomOf(below(2 ** 32)),
  };
}
