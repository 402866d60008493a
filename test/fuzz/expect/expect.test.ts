/** Files of expectations gone bad are refused in one line that names theirs: a reduced run of `npm run fuzz:expect`, and texts made to be hard. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { answer, fuzz, mistold } from './fuzz.ts';

test('400 files, no finding', () => {
  assert.equal(fuzz(0, 400), []);
});

test('whatever is spoiled in a good file is told with its line', () => {
  assert.equal(mistold(), []);
});

const GUEST = 'guest: {kernel: k}\n';
const laughs = ['a: &a [x, x, x, x]', 'b: &b [*a, *a, *a, *a]', 'guest: &c [*b, *b, *b, *b]', 'expect: [*c, *c]'].join('\n');

const HARD: readonly [text: string, line: number, why: RegExp][] = [
  [`guest: ${'['.repeat(3000)}`, 1, /^not YAML: maps and lists are nested too deeply$/],
  [`${GUEST}expect:\n  ${'- '.repeat(5000)}a`, 3, /^not YAML: maps and lists are nested too deeply$/],
  ['x'.repeat(2_000_000), 1, /^2000000 letters; a file of expectations has at most 1048576$/],
  ['\n'.repeat(10_000_000), 1, /^10000000 letters; /],
  [laughs, 1, /^'a' is unknown here; there is guest, /],
  [`${GUEST}expect: &x [{exits: any, count: 1}]\n<<: *x\n`, 3, /^'<<' is unknown here; /],
  [`${GUEST}marks: {a: &a {serial: x}, b: *a}\nexpect: []\n`, 2, /anchors and aliases are not used here; write the value itself$/],
  [`${GUEST}expect:\n\t- exits: any\n`, 3, /^not YAML: Tabs are not allowed as indentation; write spaces$/],
  [`\ufeff${GUEST}expect:\r\n  - exits: any\r\n    count: x\r\n`, 4, /^count: 'x' is not a number; write 20, 500k, 900M or 1\.5G$/],
  [`${GUEST}expect: []\n---\n${GUEST}`, 3, /^not YAML: a second document begins \(---\); write one for each file$/],
  [`${GUEST}expect:\n  -\n  - exits: any\n`, 3, /^expect: not a map; write - with one of exits, /],
  [`guest: {"ker\\nnel": k}\nexpect: []\n`, 1, /^'ker nel' is no option of the guest; did you mean kernel\?$/],
  [`${GUEST}expect: [{exits: any, count: ${'9x'.repeat(5000)}}]\n`, 2, /^count: '(9x){40}\.\.\.' is not a number; /],
  [`${GUEST}expect:\n  - d: "BEGIN\\n\\n\\n { x = ; }"\n    aggregation: "@"\n    value: 1\n`, 3, /^d: syntax error near ";"$/],
  [`${GUEST}expect:\n  - exits: any\n   count: 5\n`, 4, /^not YAML: /],
  [`${GUEST}__proto__: {a: 1}\nexpect: []\n`, 2, /^'__proto__' is unknown here; /],
  [`${GUEST}? [a, b]\n: x\nexpect: []\n`, 2, /^not a key; /],
  [`${GUEST}expect: !!binary aGVsbG8=\n`, 2, /^expect: not a list; /],
];

test('texts made to be hard are refused at once, in one line', () => {
  for (const [text, line, why] of HARD) {
    const told = answer(text);
    assert.is(told?.line, line, `${text.slice(0, 200)}: ${told?.why}`);
    assert.match(told?.why ?? '', why);
  }
});

test.run();
