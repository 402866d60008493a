/**
 * Files of expectations gone bad: texts that are changed at random are either read or refused in one line, `FILE:LINE: what is wrong`, whose line is one of
 * the file's; and what is spoiled in one line of a good file is told with that line.
 *
 * @module
 */
import { planOf } from '../../../vmm/cli/expect/read-file.ts';
import { Random } from '../../cpu/host-random.ts';

const NAME = 'boot.yaml';

/** Everything that a file can say, each value in a line of its own. */
const GOOD = `guest:
  kernel: vmlinuz
  append: console=ttyS0
  memory: 64M
  cpus: 2
  rng: true
  disk:
    - a.img,ro
    - b.img
  limit: time=60
marks:
  init:
    serial: Run /init
  ready:
    port: 0x80
    value: 1
  main:
    address: 0x100000
symbols: System.map
expect:
  - exits: EPT_VIOLATION
    count:
      max: 20
      min: 1
    time:
      max: 2ms
    between: [init, ready]
    name: few
  - exits: IO_INSTRUCTION out 0x3f8
    count: 5
  - reached: ready
    within:
      instructions: 900M
      time: 2s
      exits: 5
  - serial:
      contains: login
  - serial:
      matches: "^Linux"
  - kstat: virtio_blk:0:*:reads
    value:
      is: 3
  - d: |
      kvm-pio
      {
        @n = count();
      }
    aggregation: "@n"
    value: 3
  - d: "kvm-pio { @q = quantize(args[1]); }"
    aggregation: "@q"
    percentile: 99
    max: 2ms
  - outcome: debug-exit 0
  - baseline:
      new-causes: none
      counts: 5%
`;
const LINES = GOOD.split('\n').slice(0, -1);

const TOKENS = [
  ...[
    '~',
    '[]',
    '{}',
    '-',
    '- ',
    ': ',
    '?',
    '&a ',
    '*a',
    '<<: *a',
    '!!binary x',
    '!t ',
    '|',
    '>',
    '"',
    "'",
    '#',
    '%',
    '@',
    '`',
    '---',
    '...',
    '\t',
    '\0',
  ],
  ...[
    '0x',
    '-1',
    '1e999',
    '.inf',
    '.nan',
    '99999999999999999999',
    'true',
    'null',
    '__proto__',
    'constructor',
    '2001-01-01',
    '\ufeff',
    '\r\n',
    '\u2028',
  ],
  ...[
    'x'.repeat(300),
    '['.repeat(300),
    '{a: '.repeat(100),
    'start',
    'end',
    'init',
    'exits: any',
    'd: "BEGIN { @ = count(); }"',
    'é',
    '\ud800',
  ],
];

function mutated(random: Random): string {
  let lines = [...LINES];
  for (let n = random.below(4); n >= 0; n--) {
    const at = random.below(lines.length);
    const line = lines[at] ?? '';
    const place = random.below(line.length + 1);
    switch (random.below(9)) {
      case 0:
        lines.splice(at, 1 + random.below(3));
        break;
      case 1:
        lines.splice(at, 0, random.pick(LINES));
        break;
      case 2:
        lines[at] = line.slice(0, place) + random.pick(TOKENS) + line.slice(place);
        break;
      case 3:
        lines[at] = line.replace(/: .*|- .*/, (value) => `${value.slice(0, 2)}${random.pick(TOKENS)}`);
        break;
      case 4:
        lines[at] = random.oneIn(2) ? ` ${line}` : line.slice(1);
        break;
      case 5:
        lines[at] = line.replace(/\w+/, (word) => word.slice(1) + word.slice(0, 1));
        break;
      case 6:
        lines = lines.slice(0, at + 1);
        break;
      case 7:
        lines[at] = line.slice(0, place) + String.fromCharCode(random.below(256)) + line.slice(place + 1);
        break;
      default:
        lines.push(...lines.slice(at, at + random.below(9)));
    }
  }
  return `${random.oneIn(20) ? '\ufeff' : ''}${lines.join(random.oneIn(20) ? '\r\n' : '\n')}\n`;
}

/** What a text is answered; undefined: it is read. What is no line for the user is thrown on. */
export function answer(text: string): { readonly line: number; readonly why: string } | undefined {
  try {
    planOf(NAME, text);
    return undefined;
  } catch (error) {
    const { name, message } = error as Error;
    if (name !== 'UsageError') throw error;
    const [, line, why] = /^boot\.yaml:(\d+): ([^\n]+)$/.exec(message) ?? [];
    const last = text.split('\n').length;
    if (why === undefined || Number(line) < 1 || Number(line) > last || why.length > 2000)
      throw new Error(`not a line for the user: ${message.slice(0, 3000)}`);
    return { line: Number(line), why };
  }
}

export interface Finding {
  readonly seed: number;
  readonly text: string;
}

export function fuzz(first: number, cases: number): Finding[] {
  const found: Finding[] = [];
  for (let seed = first; seed < first + cases && found.length < 20; seed++) {
    const text = mutated(new Random(seed));
    try {
      answer(text);
    } catch (error) {
      found.push({ seed, text: `${(error as Error).stack}\n${text}` });
    }
  }
  return found;
}

/** Spoils every value of the good file that stands in a line of its own, and every key: the lines that are not told for it. */
export function mistold(): string[] {
  const found: string[] = [];
  if (answer(GOOD) !== undefined) found.push(`the good file is refused: ${JSON.stringify(answer(GOOD))}`);
  LINES.forEach((line, i) => {
    const spoiled = [line.replace(/^( *(?:- )?)([a-z-]+):/, '$1$2zzzzz:'), line.replace(/^( *(?:- )?[a-z-]+: )[^|[].*$/, '$1{zzz: 1}')];
    for (const bad of spoiled) {
      // Another name of a mark is no mistake where it stands.
      if (bad === line || /^ {2}(init|ready|main)zzzzz:$/.test(bad)) continue;
      const told = answer([...LINES.slice(0, i), bad, ...LINES.slice(i + 1), ''].join('\n'));
      if (told?.line !== i + 1)
        found.push(`line ${i + 1}: ${bad.trim()}: ${told === undefined ? 'is read' : `told as ${told.line}: ${told.why}`}`);
    }
  });
  return found;
}
