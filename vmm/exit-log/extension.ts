/**
 * Writes the exit log of a running VM to a file, in the VM's thread.
 *
 * The file is opened before the first instruction. Once it cannot be written any more the log ends there, the guest goes on, and the main thread is
 * told; what was written before can be read (`record.ts`).
 *
 * @module
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { Buffer } from 'node:buffer';
import type { Extension, ExtensionHost } from '../extension.ts';
import { filesOf, sameFile } from '../run-files.ts';
import { systemErrorText } from '../system-error.ts';
import { asideAt, eventAt } from './describe.ts';
import { ExitLogKeeper } from './keeper.ts';
import type { ExitLogFailure, ExitLogRequest } from './messages.ts';
import { jsonEnd, jsonHeader } from './json.ts';
import { closingRecord, eachExit, headerOf } from './record.ts';

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
      const write = (bytes: Uint8Array): void => {
        try {
          for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
        } catch (error) {
          failed = true;
          keeper.stop();
          const failure: ExitLogFailure = { path, reason: systemErrorText(error), records };
          post(failure);
        }
      };
      const take = (bytes: Uint8Array): void => {
        if (format === 'binary') write(bytes);
        else writeJson(bytes, write, () => failed);
        if (!failed) records += exitsIn(bytes);
      };
      const keeper = new ExitLogKeeper(vm, take, { frames, watch });
      const about = { name: vm.name, vcpus: vm.vcpus.length };
      write(format === 'binary' ? headerOf(about) : Buffer.from(jsonHeader(about)));
      end = () => {
        keeper.end();
        const instructions = vm.vcpus.reduce((sum, vcpu) => sum + vcpu.instructions, 0);
        const time = vm.clock.now();
        const closing = (): Uint8Array =>
          format === 'binary' ? closingRecord(records, time, instructions) : Buffer.from(jsonEnd(records, time, instructions));
        if (!failed) write(closing());
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

function exitsIn(bytes: Uint8Array): number {
  let exits = 0;
  eachExit(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), () => {
    exits++;
    return true;
  });
  return exits;
}

function writeJson(bytes: Uint8Array, write: (bytes: Uint8Array) => void, failed: () => boolean): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let text = '';
  const line = (event: object): boolean => {
    text += `${JSON.stringify(event)}\n`;
    if (text.length < JSON_CHUNK) return !failed();
    write(Buffer.from(text));
    text = '';
    return !failed();
  };
  eachExit(
    view,
    (at, chain) => line(eventAt(view, at, chain)),
    (at) => line(asideAt(view, at)),
  );
  if (!failed()) write(Buffer.from(text));
}
