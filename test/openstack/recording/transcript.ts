/**
 * What a client and a server said to each other as text, such that two recordings of the same doings are equal if and only if
 * nothing differs but request ids, dates, ids that were made up on the way, and the address of the server.
 */
import { createHash } from 'node:crypto';
import { headerOf, type Exchange, type Message } from './parse-exchanges.ts';

/** Longer ones, and those that are no text, are told by their hash. */
const MAX_SHOWN_BYTES = 20_000;

/** `outcomes`: what a client made of it, in its words. */
export function transcribe(exchanges: readonly Exchange[], outcomes: readonly string[], url: string): string[] {
  const neutral = createNeutralizer(new URL(url).host);
  const spoken = exchanges.map(({ request, answers }) => {
    const lines = [
      ...linesOf('>', request, neutral, { showsBody: answers.every(({ isWhole }) => isWhole) && request.isWhole }),
      ...answers.flatMap((answer) => linesOf('<', answer, neutral, { showsBody: true })),
    ];
    if (answers.length === 0) lines.push('< (no answer)');
    return lines.join('\n');
  });
  return [...spoken, ...outcomes.map(neutral)];
}

type Neutralizer = (text: string) => string;

function linesOf(
  sign: string,
  message: Message,
  neutral: Neutralizer,
  { showsBody }: { readonly showsBody: boolean },
): string[] {
  const lines = [neutral(message.startLine)];
  for (const [name, value] of message.headers) {
    // Of one connection, not of what is said over it: a proxy has its own on either side (RFC 9110, section 7.6.1).
    if (sign === '<' && /^(connection|keep-alive)$/i.test(name)) continue;
    lines.push(`${name}: ${name.toLowerCase() === 'date' ? 'DATE' : neutral(value)}`);
  }
  // A server that refuses before it has read all of a body may have been sent more or less of it.
  if (showsBody && message.body.length > 0) lines.push(...bodyOf(message, neutral).split('\n'));
  if (!message.isWhole && sign === '<') lines.push('(cut)');
  return lines.map((line) => `${sign} ${line}`);
}

function bodyOf(message: Message, neutral: Neutralizer): string {
  const type = headerOf(message, 'content-type') ?? '';
  const isText = /json|^text\//.test(type);
  if (isText && message.body.length <= MAX_SHOWN_BYTES) return neutral(message.body.toString());
  const hash = createHash('sha256').update(message.body).digest('hex');
  return `(${message.body.length} bytes, sha256 ${hash})`;
}

function createNeutralizer(host: string): Neutralizer {
  const numbers = new Map<string, number>();
  const numbered = (kind: string, value: string): string => {
    const number = numbers.get(value) ?? numbers.size + 1;
    numbers.set(value, number);
    return `${kind}-${number}`;
  };
  return (text) =>
    text
      .replaceAll(host, 'SERVER')
      .replaceAll(/\breq-[0-9a-f-]{36}\b/g, 'REQUEST')
      .replaceAll(/\bgAAAAA[\w-]{100,}={0,2}/g, (token) => numbered('TOKEN', token))
      .replaceAll(/\b[0-9a-f]{8}((-|%2d)[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, (id) => numbered('ID', id))
      .replaceAll(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'TIME');
}
