import { isCodedError } from '@quarry/runtime';
import type { LogFields, Logger } from '@quarry/runtime';
import { destination, pino } from 'pino';
import type { Logger as PinoLogger } from 'pino';
import type { Config } from '../config/config.ts';

/** What must never reach a log, whatever puts it into fields. */
const secretPaths = [
  'token',
  'clusterKey',
  'privateKey',
  '*.token',
  '*.clusterKey',
  '*.privateKey',
  'headers["x-auth-token"]',
];

/** Logs go to standard error, so that standard output carries results alone. Synchronous: the last line before an end is not lost. */
export function createLog(options: Config['log']): Logger {
  const stream =
    options.format === 'text'
      ? { write: (line: string) => void process.stderr.write(asText(line)) }
      : destination({ dest: 2, sync: true });
  return wrap(
    pino(
      {
        level: options.level,
        base: null,
        redact: secretPaths,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      stream,
    ),
  );
}

function wrap(log: PinoLogger): Logger {
  return {
    debug: (message, fields) => log.debug(withErrors(fields), message),
    info: (message, fields) => log.info(withErrors(fields), message),
    warn: (message, fields) => log.warn(withErrors(fields), message),
    error: (message, fields) => log.error(withErrors(fields), message),
    child: (fields) => wrap(log.child(withErrors(fields))),
  };
}

/** An Error has no enumerable fields and would be logged as {}. */
function withErrors(fields: LogFields = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? readable(value) : value]),
  );
}

function readable(error: Error): unknown {
  return isCodedError(error) ? error.toJSON() : { message: error.message, stack: error.stack };
}

function asText(line: string): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${[msg, ...rest].join(' ')}\n`;
}
