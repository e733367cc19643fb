// Runs the tests and says at the end, plainly, what was skipped and how many passed. Arguments go to vitest:
// `npm test -- packages/store`, `npm test -- -t 'torn write'`, `npm test -- --project unit`.
import { relative } from 'node:path';
import { parseCLI, startVitest, type TestCase, type TestModule, type TestSuite, type Vitest } from 'vitest/node';

interface Tally {
  readonly passed: number;
  readonly failed: number;
  /** One line each: file, name, and the reason where the test gives one. */
  readonly skipped: readonly string[];
}

function tally(vitest: Vitest, pattern: RegExp | undefined): Tally {
  let passed = 0;
  // What fails outside of a test (a file that does not load, a hook, a leak, a stray rejection) counts as much.
  let failed = vitest.state.getUnhandledErrors().length;
  const skipped: string[] = [];
  for (const module of vitest.state.getTestModules()) {
    const suites: (TestModule | TestSuite)[] = [module, ...module.children.allSuites()];
    failed += suites.filter((suite) => suite.errors().length > 0).length;
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === 'passed') passed += 1;
      else if (result.state === 'failed') failed += 1;
      else if (pattern === undefined || pattern.test(test.fullName.replaceAll(' > ', ' '))) {
        skipped.push(describeSkipped(module, test));
      }
    }
  }
  return { passed, failed, skipped };
}

function describeSkipped(module: TestModule, test: TestCase): string {
  const result = test.result();
  const reason = result.state === 'skipped' ? result.note : undefined;
  return `${relative(process.cwd(), module.moduleId)} > ${test.fullName}${reason === undefined ? '' : ` (${reason})`}`;
}

const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)]);
const vitest = await startVitest(filter, options);
const { passed, failed, skipped } = tally(vitest, vitest.config.testNamePattern);

let exitCode = failed > 0 || process.exitCode ? 1 : 0;
if (skipped.length > 0) {
  console.log(`\nSkipped:\n${skipped.map((line) => `  ${line}`).join('\n')}`);
  if (process.env.CI) {
    console.log('\nIn CI nothing may be skipped: what a test needs has to be installed there.');
    exitCode = 1;
  }
}
if (passed + failed === 0) {
  console.log('\nNot one test ran.');
  exitCode = 1;
}
const counts = [`${passed} passed`, `${failed} failed`, ...(skipped.length > 0 ? [`${skipped.length} skipped`] : [])];
// Everything above has to be written before we leave: a pipe takes its time.
process.stdout.write(`\n${counts.join(', ')}\n`, () => process.exit(exitCode));
