import { configKeys, settingOf } from './settings.ts';

/** docs/configuration.md, whole: made from the table, and a test compares. `npm run quarry -- config docs` prints it. */
export function configDocs(): string {
  const sections = new Map<string, string[]>();
  for (const key of configKeys) {
    const [section = '', name = ''] = key.split('.');
    const setting = settingOf(key);
    const shown = setting.defaultText ?? setting.kind.show(setting.default);
    const row = `| \`${name}\` | \`--${setting.flag}\` | ${setting.kind.says} | \`${shown}\` | ${setting.doc} |`;
    sections.set(section, [...(sections.get(section) ?? []), row]);
  }
  const tables = [...sections].map(
    ([section, rows]) =>
      `## [${section}]\n\n| key | flag | holds | default | what it does |\n|---|---|---|---|---|\n${rows.join('\n')}\n`,
  );
  return `# Configuration

A TOML file, given with \`--config FILE\`; each setting also has a flag, which wins over the file. Unknown keys are refused.
This page is made from the table that also validates (\`packages/daemon/src/config/settings.ts\`): \`npm run quarry -- config docs\`.

${tables.join('\n')}`;
}
