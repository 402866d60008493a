/** The command of -c: its words, and how it is started and ends. */
import process from 'node:process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { splitWords, TracedChild } from '../../vmm/cli/dlite-child.ts';

const test = suite('the command of -c');

test('words are separated by blanks; quotes and backslashes hold some together', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['lucid run --kernel  vmlinuz', ['lucid', 'run', '--kernel', 'vmlinuz']],
    ["  a\t'b c'\n", ['a', 'b c']],
    ['--append "console=ttyS0 quiet" x', ['--append', 'console=ttyS0 quiet', 'x']],
    ["--append='a b'", ['--append=a b']],
    ['"a \\"b\\" $c"', ['a "b" $c']],
    ['a\\ b', ['a b']],
    ["''", ['']],
    ["it's", ["it's"]],
    ['', []],
  ];
  for (const [text, words] of cases) assert.equal(splitWords(text), words, text);
});

test('a command that is not there is told at once', () => {
  assert.throws(() => new TracedChild('/nonexistent/x'), /^failed to execute \/nonexistent\/x: No such file or directory$/);
  assert.throws(() => new TracedChild('no-such-command-at-all'), /failed to execute no-such-command-at-all: No such file/);
});

test('a command waits until the tracer is ready, with its number known; its end is told as dtrace tells it', async () => {
  const start = Date.now();
  const child = new TracedChild(`${process.execPath} -e "process.exit(process.pid % 1 + 3)"`);
  assert.not(child.isVm);
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.not(child.isEnded, `it ran after ${Date.now() - start} ms`);
  child.go();
  assert.is(await child.ended, `pid ${child.pid} exited with status 3`);
  const killed = new TracedChild('sleep 60');
  killed.kill();
  assert.is(await killed.ended, `pid ${killed.pid} terminated by SIGTERM`);
});

test.run();
