import { defineConfig } from 'vitest/config';

// The packages export their sources under this condition: tests run without a build.
const conditions = ['source', 'node', 'import', 'module', 'default'];

const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
};

const common = {
  setupFiles: ['test/setup/leaked-handles.ts'],
  // For what the tests load outside of vite: worker threads, and modules of ours imported by a plain module.
  execArgv: ['--conditions=source'],
};

export default defineConfig({
  ...shared,
  test: {
    reporters: ['default'],
    projects: [
      {
        ...shared,
        test: {
          ...common,
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'test/*.test.ts', 'test/dedup/*.test.ts'],
        },
      },
      {
        ...shared,
        test: {
          ...common,
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          // Real processes, ports and disks: one file at a time, or they measure each other.
          fileParallelism: false,
        },
      },
    ],
  },
});
