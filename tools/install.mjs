// Installs the dependencies when they are missing or are not those of package-lock.json, and otherwise costs one comparison.
//
// npm writes what it installed into node_modules/.package-lock.json, as the last thing it does. So comparing that file with
// package-lock.json tells an absent, an interrupted and an outdated installation from a good one, whoever made it.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const LOCK_DIRECTORY = '.install.lock';
const WAIT_FOR_OTHER_MS = 15 * 60_000;
const POLL_MS = 200;
// Between making the lock directory and writing its pid lie microseconds. A lock without a pid for this long has no owner.
const NAMELESS_LOCK_MS = 10_000;

// Without a network npm would try for more than a minute, in silence; warnings about this Node are void, the task gets its own.
const NPM_CI = ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retry-maxtimeout=10000'];

/** What went wrong, why, and what to do about it: three sentences for a person, never a stack trace. */
export class InstallError extends Error {
  constructor(what, why, whatToDo) {
    super(`${what}\n  why:  ${why}\n  do:   ${whatToDo}`);
    this.name = 'InstallError';
  }
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // absent or torn: either way it is not a finished installation
  }
}

function isInstalled(root) {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  const present = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (wanted === undefined || present === undefined) return false;
  return Object.entries(wanted).every(([path, { version, integrity, link, optional, peer }]) => {
    if (!path.startsWith('node_modules/') && !path.includes('/node_modules/')) return true; // our own workspaces
    const found = present[path];
    if (found === undefined) return optional === true || peer === true;
    return link === found.link && version === found.version && integrity === found.integrity;
  });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function isAbandoned(lock) {
  try {
    const pid = Number(readFileSync(join(lock, 'pid'), 'utf8'));
    if (pid > 0) return !isAlive(pid);
  } catch {
    // no pid yet: judged by age below
  }
  const made = statSync(lock, { throwIfNoEntry: false });
  return made !== undefined && Date.now() - made.mtimeMs > NAMELESS_LOCK_MS;
}

/** Takes the lock, or waits until the other installation is done. Returns the function that gives it back. */
async function lockInstallation(root) {
  const lock = join(root, LOCK_DIRECTORY);
  const giveUpAtMs = Date.now() + WAIT_FOR_OTHER_MS;
  for (let isFirst = true; ; isFirst = false) {
    try {
      mkdirSync(lock);
      writeFileSync(join(lock, 'pid'), String(process.pid));
      return () => rmSync(lock, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (isAbandoned(lock)) {
      // Renaming decides who clears it away: of two processes that see the same dead lock only one succeeds.
      const dead = `${lock}.${process.pid}`;
      try {
        renameSync(lock, dead);
      } catch (error) {
        if (error.code !== 'ENOENT') throw error;
      }
      rmSync(dead, { recursive: true, force: true });
      continue;
    }
    if (Date.now() > giveUpAtMs) {
      throw new InstallError(
        'Another installation of the dependencies has not finished.',
        `${lock} is held by a process that is still alive.`,
        'Look at that process; if it has nothing to do with this project, delete the directory and try again.',
      );
    }
    if (isFirst) console.error('Another process is installing the dependencies; waiting for it ...');
    await sleep(POLL_MS);
  }
}

const CAUSES = [
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT/,
    'npm cannot reach its registry.',
    'Check the network, the proxy settings and `npm config get registry`, then run the same command again.',
  ],
  [
    /\bEUSAGE\b|in sync/,
    'package.json and package-lock.json disagree.',
    'Run `npm install` once, and commit package-lock.json.',
  ],
  [/\bENOSPC\b/, 'The disk is full.', 'Free about 500 MB, then run the same command again.'],
  [
    /\bE(ACCES|PERM|ROFS)\b/,
    'npm may not write here.',
    "Make the checkout and npm's cache writable for this user, then run the same command again.",
  ],
  [
    /\bE40[13]\b/,
    'The registry refused the request.',
    'Check the credentials in your .npmrc, then run the same command again.',
  ],
  [
    /\bE404\b|\bETARGET\b/,
    'The registry does not have one of the packages.',
    'Check `npm config get registry`: a mirror may be incomplete.',
  ],
];

function runNpmCi(root) {
  const npm = process.env.npm_execpath?.endsWith('npm-cli.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
  const [command, ...leading] = npm;
  return new Promise((resolve, reject) => {
    // Standard output belongs to the task that follows: all of npm's talk goes to standard error.
    const child = spawn(command, [...leading, ...NPM_CI], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    let wasStopped = false;
    const stop = (signal) => {
      wasStopped = true;
      child.kill(signal);
    };
    for (const signal of signals) process.on(signal, stop);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        said = (said + data).slice(-20_000);
        process.stderr.write(data);
      });
    }
    child.on('error', (error) => {
      reject(
        new InstallError(
          'npm could not be started.',
          error.message,
          'Install npm 10 or newer, and see that it is in PATH.',
        ),
      );
    });
    child.on('close', (code) => {
      for (const signal of signals) process.off(signal, stop);
      if (code === 0) return resolve();
      if (wasStopped)
        return reject(
          new InstallError('The installation was stopped.', 'A signal arrived.', 'Run the same command again.'),
        );
      const [, why, whatToDo] = CAUSES.find(([pattern]) => pattern.test(said)) ?? [];
      reject(
        new InstallError(
          `The dependencies could not be installed: \`npm ci\` ended with code ${code}.`,
          why ?? 'npm says so above.',
          whatToDo ?? 'Settle what npm complains about, then run the same command again.',
        ),
      );
    });
  });
}

export async function ensureInstalled(root) {
  if (isInstalled(root)) return;
  const unlock = await lockInstallation(root);
  try {
    if (isInstalled(root)) return; // the process we waited for did it
    console.error('Installing the dependencies into node_modules (npm ci) ...');
    await runNpmCi(root);
  } finally {
    unlock();
  }
}
