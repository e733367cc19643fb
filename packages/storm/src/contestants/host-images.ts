import { constants } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import type { Waiting } from '../storm-network.ts';

/** Which images hosts have brought in this storm, as Nova's image cache has them: whoever wants one again copies it on the host, or waits for it. */
export interface HostImages {
  /** Resolves when the image is in the file: by `fetch`, unless the host has it, or is fetching it. */
  bring(
    what: { readonly host: number; readonly image: number; readonly file: string },
    fetch: () => Promise<void>,
    options: Waiting,
  ): Promise<void>;
  forget(host: number): void;
}

export function createHostImages(): HostImages {
  const hosts = new Map<number, Map<number, Promise<string | undefined>>>();
  return {
    async bring({ host, image, file }, fetch, { signal }) {
      for (;;) {
        const held = hosts.get(host) ?? new Map<number, Promise<string | undefined>>();
        hosts.set(host, held);
        const other = held.get(image);
        if (!other) {
          const mine = fetch();
          const kept = mine.then(
            () => file,
            () => void held.delete(image),
          );
          held.set(image, kept);
          return await mine;
        }
        const path = await Promise.race([other, rejected(signal)]);
        if (path !== undefined) return await copyFile(path, file, constants.COPYFILE_FICLONE);
      }
    },
    forget: (host) => void hosts.delete(host),
  };
}

function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
