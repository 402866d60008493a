/**
 * `--events`: where every VM exit of a run is written.
 *
 * @module
 */
import { EXIT_RECORD, WATCH_MAX } from '../cpu/layout.ts';
import { EXIT_LOG_EXTENSION, type ExitLogFailure, type ExitLogRequest } from '../exit-log/messages.ts';
import type { ExtensionMessage } from '../worker-messages.ts';
import { commaWords, UsageError } from './options.ts';

const FORMATS = ['binary', 'json'] as const;
const CHAIN_MAX = EXIT_RECORD.CHAIN_MAX;
const JSON_NAME = /\.(json|jsonl|ndjson)$/i;

/** `FILE[,format=binary|json][,stack[=N]][,watch=ADDRESS]`; a name that ends in .json, .jsonl or .ndjson asks for JSON. A comma of the name is written twice. */
export function parseEvents(text: string): ExitLogRequest {
  const [path = '', ...words] = commaWords(text);
  if (path === '') throw new UsageError(`--events '${text}': which file? write FILE, FILE,format=json or FILE,stack`);
  let format: ExitLogRequest['format'] = JSON_NAME.test(path) ? 'json' : 'binary';
  let frames = 0;
  const watch: bigint[] = [];
  for (const word of words) {
    const named = FORMATS.find((name) => word === `format=${name}`);
    const stack = /^stack(?:=(\d+))?$/.exec(word);
    if (named !== undefined) format = named;
    else if (/^watch=0x[0-9a-f]{1,16}$/i.test(word)) watch.push(BigInt(word.slice(6)));
    else if (word.startsWith('watch=')) throw new UsageError(`--events ${text}: ${word} is not an address; write watch=0x100000`);
    else if (stack !== null) frames = 1 + (stack[1] === undefined ? CHAIN_MAX : Number(stack[1]));
    else throw new UsageError(`--events ${text}: '${word}' is unknown; there is format=binary, format=json, stack, stack=N, watch=ADDRESS`);
  }
  if (frames > CHAIN_MAX + 1) throw new UsageError(`--events ${text}: at most ${CHAIN_MAX} return addresses are kept`);
  if (watch.length > WATCH_MAX) throw new UsageError(`--events ${text}: at most ${WATCH_MAX} addresses are watched`);
  return { path, format, frames, watch };
}

/** What the VM's thread is told before the first instruction. */
export function eventsMessages(events: ExitLogRequest | undefined): ExtensionMessage[] {
  return events === undefined ? [] : [{ extension: EXIT_LOG_EXTENSION, message: events }];
}

/** The log could not be kept: says so. */
export function eventsReceived({ extension, message }: ExtensionMessage): void {
  if (extension !== EXIT_LOG_EXTENSION) return;
  const { path, reason, records } = message as ExitLogFailure;
  process.stderr.write(`lucid: --events ${path}: ${reason}; the log ends after ${records} exits, the guest goes on\n`);
}
