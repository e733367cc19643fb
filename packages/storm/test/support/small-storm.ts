import { expandScenario, scenarioFrom } from '@quarry/scenario';
import type { Storm } from '@quarry/scenario';

/** Four hosts at 10 Mbit/s that unshelve one image of 1 MiB at once; `more` is TOML that follows. */
export function smallStorm(more = '', options: { readonly nodes?: number; readonly seed?: number } = {}): Storm {
  const text = `about = "small"\n[hosts]\ncount = 4\nlink = "10Mbit/s"\n[[images]]\nname = "image"\nsize = "1MiB"\n[[unshelves]]\nimages = "image"\n${more}`;
  return expandScenario(scenarioFrom(text, 'small.toml'), { seed: 1, ...options });
}
