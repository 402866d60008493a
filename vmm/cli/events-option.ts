/**
 * `--events`: where every VM exit of a run is written.
 *
 * @module
 */
import process from 'node:process';
import { EXIT_LOG_EXTENSION, type ExitLogFailure, type ExitLogRequest } from '../exit-log/messages.ts';
import type { ExtensionMessage } from '../worker-messages.ts';
import { UsageError } from './options.ts';

const FORMATS = ['binary', 'json'] as const;
const JSON_NAME = /\.(json|jsonl|ndjson)$/i;

/** `FILE[,format=binary|json]`; a name that ends in .json, .jsonl or .ndjson asks for JSON. A comma of the name is written twice. */
export function parseEvents(text: string): ExitLogRequest {
  const [path = '', ...words] = text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(',,', ','));
  if (path === '') throw new UsageError(`--events '${text}': which file? write FILE or FILE,format=json`);
  let format: ExitLogRequest['format'] = JSON_NAME.test(path) ? 'json' : 'binary';
  for (const word of words) {
    const found = FORMATS.find((name) => word === `format=${name}`);
    if (found === undefined) throw new UsageError(`--events ${text}: '${word}' is unknown; there is format=binary, format=json`);
    format = found;
  }
  return { path, format };
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
