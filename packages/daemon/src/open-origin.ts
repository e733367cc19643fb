import { readFile } from 'node:fs/promises';
import type { Config } from './config/config.ts';
import { ConfigError } from './config/config-error.ts';

/** The Keystone token, read again for each request: tokens expire, and whoever renews the file need not restart the daemon. */
export function tokenFrom(config: Config['origin']): (() => Promise<string>) | undefined {
  const { tokenFile } = config;
  if (tokenFile === '') return undefined;
  return async () => {
    try {
      return (await readFile(tokenFile, 'utf8')).trim();
    } catch (cause) {
      throw new ConfigError(
        'CONFIG_UNREADABLE',
        `cannot read the token in ${tokenFile} (origin.tokenFile): ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
  };
}
