/**
 * Writes the exit log of a running VM to a file, in the VM's thread.
 *
 * The file is opened before the first instruction. Once it cannot be written any more the log ends there, the guest goes on, and the main thread is
 * told; what was written before can be read (`record.ts`).
 *
 * @module
 */
import { closeSync, openSync } from 'node:fs';
import { Buffer } from 'node:buffer';
import type { Extension, ExtensionHost } from '../extension.ts';
import { filesOf, sameFile } from '../run-files.ts';
import { systemErrorText } from '../system-error.ts';
import { writeSome } from '../write-some.ts';
import { asideAt, eventAt } from './describe.ts';
import { ExitLogKeeper } from './keeper.ts';
import type { ExitLogFailure, ExitLogRequest } from './messages.ts';
import { jsonEnd, jsonHeader } from './json.ts';
import { closingRecord, eachExit, headerOf, RECORD_BYTES } from './record.ts';

/** The file cannot be had: one line for the user, and nothing runs. */
export class ExitLogOpenError extends Error {
  override readonly name = 'ExitLogOpenError';
}

/** Bytes of JSON that are written at once. */
const JSON_CHUNK = 1 << 18;

export function extend({ vm, options, post }: ExtensionHost): Extension {
  let end = (): void => {};
  return {
    receive(message) {
      const { path, format, frames, watch } = message as ExitLogRequest;
      const taken = filesOf(options).find((file) => sameFile(file.path, path));
      if (taken !== undefined) throw new ExitLogOpenError(`--events ${path}: would overwrite ${taken.option}; give another file`);
      const fd = open(path);
      let records = 0;
      let failed = false;
      const write: Write = (bytes, exits, partly) => {
        let at = 0;
        try {
          while (at < bytes.length) at += writeSome(fd, bytes, at);
          records += exits;
        } catch (error) {
          failed = true;
          keeper.stop();
          const failure: ExitLogFailure = { path, reason: systemErrorText(error), records: records + partly(bytes.subarray(0, at)) };
          post(failure);
        }
      };
      const take = (bytes: Uint8Array): void => {
        if (format === 'binary') write(bytes, exitsIn(bytes), exitsIn);
        else writeJson(bytes, write, () => failed);
      };
      const keeper = new ExitLogKeeper(vm, take, { frames, watch });
      const about = { name: vm.name, vcpus: vm.vcpus.length };
      write(format === 'binary' ? headerOf(about) : Buffer.from(jsonHeader(about)), 0, none);
      end = () => {
        keeper.end();
        const { instructions } = vm;
        const time = vm.clock.now();
        const closing = (): Uint8Array =>
          format === 'binary' ? closingRecord(records, time, instructions) : Buffer.from(jsonEnd(records, time, instructions));
        if (!failed) write(closing(), 0, none);
        closeSync(fd);
      };
    },
    ended() {
      end();
    },
  };
}

function open(path: string): number {
  try {
    return openSync(path, 'w');
  } catch (error) {
    throw new ExitLogOpenError(`--events ${path}: ${systemErrorText(error)}`);
  }
}

/** Writes bytes that hold so many exits; `partly` counts those of a part, when not all of it can be written. */
type Write = (bytes: Uint8Array, exits: number, partly: (part: Uint8Array) => number) => void;

const none = (): number => 0;

/** Exits among records; what is no whole record at the end does not count. */
function exitsIn(bytes: Uint8Array): number {
  let exits = 0;
  eachExit(new DataView(bytes.buffer, bytes.byteOffset, bytes.length - (bytes.length % RECORD_BYTES)), () => {
    exits++;
    return true;
  });
  return exits;
}

/** Exits among lines; what is no whole line at the end does not count. */
function exitLines(bytes: Uint8Array): number {
  return Buffer.from(bytes).toString('latin1').split('\n').slice(0, -1).filter(isExitLine).length;
}

const isExitLine = (line: string): boolean => line.includes('"reason":');

function writeJson(bytes: Uint8Array, write: Write, failed: () => boolean): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let text = '';
  let exits = 0;
  const out = (): void => {
    write(Buffer.from(text), exits, exitLines);
    text = '';
    exits = 0;
  };
  const line = (event: object): boolean => {
    text += `${JSON.stringify(event)}\n`;
    if (text.length >= JSON_CHUNK) out();
    return !failed();
  };
  eachExit(
    view,
    (at, chain) => {
      exits++;
      return line(eventAt(view, at, chain));
    },
    (at) => line(asideAt(view, at)),
  );
  if (!failed()) out();
}
