import type { RefusedLine } from '@quarry/daemon';
import { formatBytes } from '@quarry/runtime';
import type { Hop, Phase, PhaseKind } from './chain.ts';
import { durationText, momentText, packText, partOfLinkText } from './in-words.ts';
import { linkOf } from './logged-storm.ts';
import type { LoggedStorm } from './logged-storm.ts';

/** Shorter waits are not worth a word. */
const SHORT_MS = 50;
const MAX_ATTEMPTS = 4;

/** One hop, as a line for people. */
export function hopText(storm: LoggedStorm, hop: Hop, isFirst: boolean): string {
  const { piece, receiver, had } = hop;
  const at = (ms: number): string => momentText(ms, storm.startMs);
  const from = senderText(hop);
  const what = isFirst
    ? `Its last piece was ${piece.piece} of pack ${packText(piece.pack)} (${formatBytes(piece.plain)}), ${from}`
    : `${receiver.name} had it ${from}`;
  const times = `asked for at ${at(piece.asked)}, whole at ${at(piece.whole)}, present at ${at(piece.present)}`;
  const sentences = [`${what}: ${times}.`, ...attemptTexts(storm, hop)];
  for (const phase of hop.phases) {
    if (phase.ms - phase.idealMs < SHORT_MS && phase.kind !== 'transfer') continue;
    sentences.push(`${phaseText(storm, hop, phase)}.`);
  }
  if (had.how === 'always' && hop.sender) sentences.push(`${capital(hop.sender.name)} had it from the start.`);
  if (had.how === 'appeared') sentences.push(`${capital(from.slice(5))} had made it itself, at ${at(had.atMs)}.`);
  if (had.how === 'unknown' && piece.from !== undefined) {
    sentences.push(`How it came to ${from.slice(5)} nobody can tell: there is no log.`);
  }
  return sentences.join(' ');
}

/** What a phase was spent on: "host-04's disk read it". */
export function phaseText(storm: LoggedStorm, hop: Hop, phase: Phase): string {
  const took = durationText(phase.ms);
  const receiver = hop.receiver.name;
  const sender = senderText(hop).slice(5);
  const texts: Readonly<Record<Exclude<PhaseKind, 'transfer'>, string>> = {
    notWanted: `${took} before ${receiver} wanted it`,
    untold: `${took} until ${sender} said that it had it`,
    elsewhere: `${took} while ${receiver} had asked somebody else for it`,
    windowFull: `${took} while ${receiver} had as many requests under way as it may`,
    unasked: `${took} in which ${receiver} could have asked for it and did not: the news were on their way, or other pieces came first`,
    request: `${took} until the request reached ${sender}`,
    turn: `${took} until it was its turn at ${sender}${sharedText(hop.sharedOut)}`,
    senderDisk: `${took} in which ${sender}’s disk read it`,
    firstByte: `${took} until the first byte came`,
    budget: `${took} until the origin’s budget, and memory, allowed the read`,
    verifying: `${took} in which ${receiver} checked it`,
    writing: `${took} in which ${receiver}’s disk wrote it`,
  };
  return phase.kind === 'transfer' ? transferText(storm, hop, phase) : texts[phase.kind];
}

function transferText(storm: LoggedStorm, hop: Hop, { ms }: Phase): string {
  const { piece, receiver, sender, sharedOut, sharedIn } = hop;
  const size = `${durationText(ms)} for ${formatBytes(piece.wire)}`;
  if (ms <= 0) return size;
  const rate = (1000 * piece.wire) / ms;
  const slower = Math.min(linkOf(storm, receiver), linkOf(storm, sender ?? receiver));
  const part = rate / slower;
  const text = `${size}, ${partOfLinkText(part)}`;
  if (part >= 0.8) return text;
  const shares = [
    ...(sharedOut > 1 ? [`${sharedOut} transfers out of ${senderText(hop).slice(5)}`] : []),
    ...(sharedIn > 1 ? [`${sharedIn} into ${receiver.name}`] : []),
  ];
  // Twice as slow as an even share: what is shared does not explain it.
  const isUnexplained = part < 0.5 / Math.max(sharedOut, sharedIn);
  if (shares.length === 0) return `${text}, with nothing beside it: a link or a host was slow`;
  return `${text}, shared by ${shares.join(' and ')}${isUnexplained ? ', and still slower than that: a link or a host was slow' : ''}`;
}

function sharedText(sharedOut: number): string {
  return sharedOut > 1 ? `, which sent to ${sharedOut} at once` : '';
}

function attemptTexts(storm: LoggedStorm, { attempts, receiver }: Hop): string[] {
  const names = new Map(storm.members.map(({ peer, name }) => [peer, name]));
  const texts = attempts.slice(0, MAX_ATTEMPTS).map((one) => {
    const asked = momentText(one.asked, storm.startMs);
    return `${receiver.name} had asked ${names.get(one.from ?? '') ?? 'somebody'} at ${asked}, which ${outcome(one, storm.startMs)}.`;
  });
  const more = attempts.length - MAX_ATTEMPTS;
  return more > 0 ? [...texts, `It had asked ${more} more in vain.`] : texts;
}

function outcome({ why, at }: RefusedLine, startMs: number): string {
  const when = momentText(at, startMs);
  switch (why) {
    case 'bad':
    case 'damaged':
      return `sent wrong bytes (found at ${when})`;
    case 'busy':
    case 'wait':
      return `was busy (${when})`;
    case 'absent':
    case 'dry':
      return `did not have it (${when})`;
    case 'cancelled':
      return `was too slow (given up at ${when})`;
    case 'writeFailed':
      return `sent what could not be written (${when})`;
    case 'error':
      return `broke off (${when})`;
  }
}

function senderText({ sender, piece }: Hop): string {
  if (piece.from === undefined) return 'from the origin';
  return `from ${sender?.name ?? `peer …${piece.from.slice(-6)}`}`;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
