// Everything that can be said about the code without running it as a whole. Runs all of it, whatever fails, and sums up.
// `npm run check -- types lint` runs only the steps named.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

interface Step {
  readonly script: string;
  readonly args: readonly string[];
  readonly onFailure: string;
}

const bin = (name: string): string => `node_modules/.bin/${name}`;

const steps: Readonly<Record<string, Step>> = {
  types: { script: bin('tsc'), args: ['-b'], onFailure: 'npm run build' },
  lint: { script: bin('oxlint'), args: ['--type-aware', '--deny-warnings'], onFailure: 'npm run lint' },
  format: { script: bin('biome'), args: ['format'], onFailure: 'npm run format puts it right' },
  unused: { script: bin('knip'), args: ['--no-progress', '--no-config-hints'], onFailure: 'npm run check -- unused' },
  layers: {
    script: bin('vitest'),
    args: ['run', '--project', 'unit', 'test/architecture.test.ts'],
    onFailure: 'npm test -- architecture',
  },
  // Compares the documentation with the code it speaks of, once there is such a comparison.
  docs: { script: 'tools/check-docs.ts', args: [], onFailure: 'npm run check -- docs' },
};

/** Runs one step to its end; what it said is shown only when it failed. */
function run({ script, args }: Step): Promise<{ isGood: boolean; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=source', script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said: Buffer[] = [];
    child.stdout.on('data', (data: Buffer) => said.push(data));
    child.stderr.on('data', (data: Buffer) => said.push(data));
    child.on('error', reject);
    child.on('close', (code) => resolve({ isGood: code === 0, said: Buffer.concat(said).toString() }));
  });
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !Object.hasOwn(steps, name));
if (unknown.length > 0) {
  console.error(`There is no step ${unknown.join(', ')}. The steps are: ${Object.keys(steps).join(', ')}.`);
  process.exit(2);
}

const failed: string[] = [];
let done = 0;
for (const [name, step] of Object.entries(steps)) {
  if (asked.length > 0 ? !asked.includes(name) : !existsSync(step.script)) continue;
  const startedAtMs = performance.now();
  const { isGood, said } = await run(step);
  const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
  console.log(`${isGood ? 'ok    ' : 'FAILED'}  ${name.padEnd(8)} ${seconds.padStart(5)} s`);
  done += 1;
  if (isGood) continue;
  failed.push(`${name} (${step.onFailure})`);
  console.log(said.trimEnd().replaceAll(/^/gm, '        '));
}
console.log(
  failed.length === 0 ? `\nAll ${done} checks are good.` : `\n${failed.length} of ${done} failed: ${failed.join(', ')}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
