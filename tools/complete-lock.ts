// Writes into package-lock.json the packages for other platforms that npm left out: `npm run lock`.
//
// A native tool names one optional package per platform. When the registry that made the lock does not carry one of them,
// npm leaves it out, and from then on `npm ci` refuses everywhere, because lock and package.json disagree. An entry with
// version and platform is enough: npm skips it where it does not fit, and adds the hash where it does.
import { readFileSync, writeFileSync } from 'node:fs';

interface Entry {
  version?: string;
  cpu?: string[];
  os?: string[];
  libc?: string[];
  dev?: boolean;
  optional?: boolean;
  link?: boolean;
  optionalDependencies?: Record<string, string>;
}
type Packages = Record<string, Entry>;

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];

/** Is `name` found from the package at `path`, as Node looks for it? */
function isLocked(packages: Packages, path: string, name: string): boolean {
  for (let folder = path; folder !== ''; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (packages[`${folder}/node_modules/${name}`] !== undefined) return true;
  }
  return packages[`node_modules/${name}`] !== undefined;
}

/** The entries that are missing, by path. Throws for one whose platform its name does not tell. */
export function missingEntries(packages: Packages): Packages {
  const missing: Packages = {};
  for (const [path, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isLocked(packages, path, name)) continue;
      const words = name.split(/[/-]/);
      const os = systems.filter((system) => words.includes(system));
      const cpu = processors.filter((processor) => words.includes(processor));
      if (!/^\d/.test(version) || os.length + cpu.length === 0) {
        throw new Error(
          `${path} wants ${name}@${version}, which is not locked, and its name tells no platform: run \`npm install\`.`,
        );
      }
      missing[`node_modules/${name}`] = {
        version,
        ...(cpu.length > 0 ? { cpu } : {}),
        ...(entry.dev === true ? { dev: true } : {}),
        ...(name.includes('musl') ? { libc: ['musl'] } : {}),
        optional: true,
        ...(os.length > 0 ? { os } : {}),
      };
    }
  }
  return missing;
}

if (import.meta.main) {
  const file = 'package-lock.json';
  const lock: { packages: Packages } = JSON.parse(readFileSync(file, 'utf8'));
  const missing = missingEntries(lock.packages);
  const sorted = Object.entries({ ...lock.packages, ...missing }).toSorted(([a], [b]) => a.localeCompare(b, 'en'));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
  console.log(`${Object.keys(missing).length} packages for other platforms added to ${file}.`);
}
