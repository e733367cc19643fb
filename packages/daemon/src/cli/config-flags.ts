import { Option } from 'commander';
import type { Command } from 'commander';
import type { Config, ConfigKey } from '../config/config.ts';
import { loadConfig } from '../config/load-config.ts';
import { configKeys, settingOf } from '../config/settings.ts';
import { textList } from '../config/value-kind.ts';

/** What a command that only talks to the daemon needs to find it. */
export const clientKeys: readonly ConfigKey[] = ['node.dataDirectory', 'control.socket'];

/** Gives the command `--config` and a flag for each of `keys`, described by the table of settings. */
export function addConfigFlags(command: Command, keys: readonly ConfigKey[] = configKeys): Command {
  command.option('-c, --config <file>', 'TOML configuration file (docs/configuration.md)');
  for (const key of keys) {
    const setting = settingOf(key);
    const shown = setting.defaultText ?? setting.kind.show(setting.default);
    const option = new Option(`--${setting.flag} <value>`, `${setting.doc} (${key}; default ${shown})`);
    const isList: boolean = setting.kind === textList;
    if (isList)
      option.argParser((value: string, earlier: string | undefined) =>
        earlier === undefined ? value : `${earlier},${value}`,
      );
    command.addOption(option);
  }
  return command;
}

/** @throws ConfigError */
export function configOf(command: Command): Config {
  const options: Record<string, unknown> = command.opts();
  const flags: Partial<Record<ConfigKey, unknown>> = {};
  for (const key of configKeys) {
    const value = options[camelCase(settingOf(key).flag)];
    if (value !== undefined) flags[key] = value;
  }
  return loadConfig({ file: typeof options.config === 'string' ? options.config : undefined, flags });
}

/** As commander names a flag's value: `store-size` → `storeSize`. */
function camelCase(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
