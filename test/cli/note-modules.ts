/**
 * For `node --import`: appends each module that is loaded to the file that NOTE_MODULES names, with an M (main thread) or a W (worker thread) before it.
 */
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const file = process.env['NOTE_MODULES'];
const thread = isMainThread ? 'M' : 'W';
const note = (text: string): void => {
  if (file !== undefined) appendFileSync(file, `${text}\n`);
};

registerHooks({
  load(url, context, next) {
    note(`${thread} ${url}`);
    return next(url, context);
  },
});
