import type { Random } from '@quarry/runtime';

/** Chance in the words of whoever makes things up. */
export interface Dice {
  /** True in so many of all cases, 0 to 1. */
  chance(part: number): boolean;
  /** A whole number, both ends included. */
  whole(least: number, most: number): number;
  /** Any number between; small ones as likely as large ones by their order of magnitude. Both greater than 0. */
  between(least: number, most: number): number;
  of<T>(choices: readonly [T, ...T[]]): T;
}

export function createDice(random: Random): Dice {
  const whole = (least: number, most: number): number => least + Math.floor(random.next() * (most - least + 1));
  return {
    chance: (part) => random.next() < part,
    whole,
    between: (least, most) => least * (most / least) ** random.next(),
    of: (choices) => choices[whole(0, choices.length - 1)] ?? choices[0],
  };
}
