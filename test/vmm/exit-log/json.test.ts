/** A log of lines of JSON is the same log: what is read from it are the records of which it was made, as far as it goes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventAt } from '../../../vmm/exit-log/describe.ts';
import { jsonEnd, jsonHeader } from '../../../vmm/exit-log/json.ts';
import { type ExitLogEnd, ExitLogReader } from '../../../vmm/exit-log/reader.ts';
import { RECORD_BYTES } from '../../../vmm/exit-log/record.ts';
import { writeSynthetic } from './synthetic.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-exit-json-'));
const test = suite('exit log in JSON');
test.after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

interface Read {
  /** Each exit's record with those of its call chain, in hexadecimal. */
  readonly records: string[];
  readonly lines: string[];
  readonly end: ExitLogEnd;
}

function read(path: string): Read {
  const reader = new ExitLogReader(path);
  const [records, lines]: [string[], string[]] = [[], []];
  const end = reader.read((view, place, chain) => {
    records.push(Buffer.from(view.buffer, view.byteOffset + place, (1 + chain) * RECORD_BYTES).toString('hex'));
    lines.push(`${JSON.stringify(eventAt(view, place, chain))}\n`);
    return true;
  });
  reader.close();
  return { records, lines, end };
}

const ABOUT = { name: 'a guest', vcpus: 2 };

for (const stack of [undefined, 0, 3, 12]) {
  test(`records come back as they were, ${stack === undefined ? 'without call chains' : `with ${stack} return addresses`}`, () => {
    writeSynthetic(at('binary'), { exits: 300, stack });
    const binary = read(at('binary'));
    writeFileSync(at('json'), [jsonHeader(ABOUT), ...binary.lines, jsonEnd(300, binary.end.timeNs, 300)].join(''));
    const json = read(at('json'));
    assert.equal(json.records, binary.records);
    assert.equal(json.lines, binary.lines);
    assert.equal(json.end, binary.end);
    assert.equal(new ExitLogReader(at('json')).about, ABOUT);
    // What was chosen from a log is a log.
    writeFileSync(at('chosen'), binary.lines.join(''));
    const chosen = read(at('chosen'));
    assert.equal(chosen.records, binary.records);
    assert.is(chosen.end.complete, true);
  });
}

test('cut at any byte, every whole line before the cut is read, and the loss is told', () => {
  writeSynthetic(at('binary'), { exits: 4, stack: 7 });
  const { lines } = read(at('binary'));
  const whole = [jsonHeader(ABOUT), ...lines, jsonEnd(4, 5, 6)].join('');
  const ends = [...whole].flatMap((letter, i) => (letter === '\n' ? [i] : []));
  for (let length = whole.length - 2; length >= 0; length--) {
    writeFileSync(at('cut'), whole.slice(0, length));
    if (length < (ends[0] as number)) {
      assert.throws(() => new ExitLogReader(at('cut')), /is empty|is not a log of exits|ends in its first line/);
      continue;
    }
    // A line is whole without its newline.
    const got = ends.filter((end) => end <= length).length - 1;
    const start = got < 0 ? 0 : (ends[got] as number) + 1;
    const { records, complete, looseBytes, damaged } = read(at('cut')).end;
    assert.equal([records, complete, looseBytes, damaged], [got, false, Math.max(0, length - start), 0], `cut at ${length}`);
  }
});

test('a damaged line is passed over and counted; more exits or fewer than were written are told', () => {
  writeSynthetic(at('binary'), { exits: 3 });
  const { lines } = read(at('binary'));
  const [a = '', b = '', c = ''] = lines;
  const log = (...list: string[]): string => [jsonHeader(ABOUT), ...list, jsonEnd(3, 5, 6)].join('');
  const damaged = [
    'nonsense\n',
    '\n',
    '[]\n',
    'null\n',
    '5\n',
    b.replace('"cpl":0', '"cpl":4'),
    b.replace('"0xffff', '"0x1ffff'),
    b.replace('"time":', '"time":-'),
    b.replace(/"reason":"\w+"/, '"reason":"NONE"'),
    b.replace(/"reason":"\w+"/, '"reason":"REASON_255"'),
    b.replace('"bits":64', '"bits":65'),
    b.replace('}', ',"code":"9","stack":[]}'),
    b.replace('}', `,"code":"90","stack":[${Array(13).fill('"0x1"')}]}`),
    b.replace('}', ',"code":"90","stack":[5]}'),
    b.replace('}', ',"code":"90"}'),
    '{"end":5}\n',
    '{"end":{}}\n',
    `${'x'.repeat(3_000_000)}\n`,
  ];
  for (const line of damaged) {
    writeFileSync(at('damaged'), log(a, line, c));
    const { records, complete, told, damaged: count } = read(at('damaged')).end;
    assert.equal([records, complete, told], [2, false, 3], line.slice(0, 300));
    assert.ok(count >= 1);
  }
  writeFileSync(at('more'), log(a, b, c, c));
  assert.equal([read(at('more')).end.complete, read(at('more')).end.told], [false, 3]);
});

test('other JSON is not taken for a log', () => {
  for (const [text, message] of [
    ['{}\n', /^is not a log of exits/],
    ['{\n  "kind": "baseline"\n}\n', /^is not a log of exits/],
    ['{"log":"lucid exits","version":2,"name":"a","vcpus":1}\n', /^is an exit log of version 2; this lucid reads version 1$/],
    ['{"log":"lucid exits","version":1}\n', /^is not a log of exits/],
    ['', /^is empty$/],
  ] as const) {
    writeFileSync(at('other'), text);
    try {
      read(at('other'));
      assert.unreachable();
    } catch (error) {
      assert.is((error as Error).name, 'ExitLogError', String((error as Error).stack));
      assert.match((error as Error).message, message);
    }
  }
});

test.run();
