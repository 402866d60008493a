/**
 * A program never traps and never harms: random checked programs that dereference, copy and write whatever numbers come, over random page tables
 * and registers. A trap would be an exception here; what is not the program's own stays as it was.
 */
import { createHash } from 'node:crypto';
import process from 'node:process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ARENA, D_BASE_HIGH } from '../../../../probes/arena.ts';
import { CHAR, INT, LONG, STRING, UNSIGNED_LONG, arrayOf, pointerTo } from '../../../../probes/d/ctype.ts';
import { SUBROUTINE_NAMES } from '../../../../probes/d/codegen/subroutine.ts';
import type { ActionName, AggregatingFunction, Aggregation, Expression, Statement, Variable } from '../../../../probes/d/tree.ts';
import type { IntType, StructType, Type } from '../../../../probes/d/types.ts';
import { MEMORY_MAP, STATE_SIZE, VM_AREA, offsetOf } from '../../../../vmm/cpu/layout.ts';
import { Bench, CPU, RAM_BYTES, Run } from './firing.ts';
import {
  BEGIN,
  ERROR,
  INTEGERS,
  action,
  arithmetic,
  assign,
  builtin,
  call,
  clause,
  convert,
  dereference,
  does,
  integer,
  long,
  of,
  point,
  program,
  text,
  update,
  variable,
} from './nodes.ts';
import { RandomTree } from './random-tree.ts';

const test = suite('codegen: no harm');
const bench = new Bench();
const PIO = point('kvm-pio');
const PAGES = RAM_BYTES >> 12;

const PAIR: StructType = {
  kind: 'struct',
  tag: 'pair',
  bytes: 16,
  align: 8,
  complete: true,
  members: [
    { name: 'a', type: INT, offset: 0 },
    { name: 'f', type: LONG, offset: 8, bits: { shift: 3, width: 21 } },
  ],
};

/** Types of the parameters of subroutines that take no text; the rest is told by its letters: s text, n number, p address. */
const PARAMETERS: Readonly<Record<string, string>> = {
  strlen: 's',
  strjoin: 'ss',
  substr: 'snn',
  index: 'ssn',
  rindex: 'ssn',
  strstr: 'ss',
  strchr: 'sn',
  strrchr: 'sn',
  strtok: 'ss',
  toupper: 's',
  tolower: 's',
  basename: 's',
  dirname: 's',
  cleanpath: 's',
  lltostr: 'nn',
  strtoll: 'sn',
  inet_ntoa: 'p',
  inet_ntoa6: 'p',
  inet_ntop: 'np',
  json: 'ss',
  alloca: 'n',
  bcopy: 'ppn',
  copyin: 'pn',
  copyinstr: 'pn',
  copyinto: 'pnp',
  copyout: 'ppn',
  copyoutstr: 'ppn',
};
const ANY_NUMBER = 'n';

class Wild {
  readonly random: RandomTree;
  readonly variables: readonly Variable[];
  readonly aggregations: Aggregation[] = [];
  arena = 0;

  constructor(seed: number) {
    this.variables = [
      ...INTEGERS.map((type) => variable('global', type)),
      variable('self', LONG),
      variable('this', LONG),
      variable('global', UNSIGNED_LONG, [LONG]),
      ...[variable('global', STRING), variable('self', STRING), variable('this', STRING), variable('global', STRING, [STRING])],
      ...[variable('global', PAIR), variable('this', PAIR), variable('self', PAIR, [LONG]), variable('global', arrayOf(CHAR, 40))],
    ];
    this.random = new RandomTree(
      seed,
      this.variables.filter(({ type, keys }) => type.kind === 'int' && (keys === undefined || keys.length === 1)),
    );
  }

  number(depth: number, type: IntType = LONG): Expression {
    if (depth > 0 && this.random.below(3) === 0) return convert(this.any(depth - 1), type);
    return this.random.expression(Math.min(depth, 3), type);
  }

  /** An address of anything: small, canonical or not, inside the arena or near its ends, in a vCPU's state, of the guest. */
  address(depth: number): Expression {
    const { random } = this;
    const near = (at: number): Expression => {
      const value = (BigInt(D_BASE_HIGH) << 32n) + BigInt((at + random.below(64) - 32) >>> 0);
      return integer(BigInt.asIntN(64, value), LONG);
    };
    switch (random.below(9)) {
      case 0:
        return long(random.below(4096));
      case 1:
        return long(random.below(RAM_BYTES + 64));
      case 2:
        return near(this.arena + random.below(1 << 21));
      case 3:
        return near(
          random.pick([0, CPU, CPU + STATE_SIZE, MEMORY_MAP.TRACE, MEMORY_MAP.TRACE + 0x10000, MEMORY_MAP.RAM_BASE, 0xffff_ffff]),
        );
      case 4:
        return near(CPU + random.below(8 * MEMORY_MAP.VCPU_STRIDE));
      case 5: {
        const v = random.pick(this.variables.filter(({ keys }) => keys === undefined));
        return arithmetic('+', convert({ op: 'address', of: of(v), type: pointerTo(v.type), line: 1 }, LONG), long(random.below(200) - 60));
      }
      case 6:
        return arithmetic('+', convert(call('alloca', [long(random.below(300))], pointerTo(CHAR)), LONG), long(random.below(400) - 50));
      case 7:
        return this.number(depth);
      default:
        return convert(this.text(Math.max(0, depth - 1)), LONG);
    }
  }

  text(depth: number): Expression {
    const { random } = this;
    if (depth === 0 || random.below(4) === 0) return text(random.pick(['', 'a', '/x//../y', '{"a":[1,2]}', 'x'.repeat(random.below(300))]));
    switch (random.below(4)) {
      case 0:
        return convert(this.address(depth - 1), STRING);
      case 1:
        return this.textVariable(depth);
      default: {
        const name = random.pick([
          'strjoin',
          'substr',
          'strstr',
          'strchr',
          'strtok',
          'toupper',
          'basename',
          'dirname',
          'cleanpath',
          'lltostr',
          'json',
          'copyinstr',
        ]);
        return this.call(name, depth, STRING);
      }
    }
  }

  textVariable(depth: number): Expression {
    const v = this.random.pick(this.variables.filter(({ type }) => type.kind === 'string'));
    return v.keys === undefined ? of(v) : of(v, this.text(Math.max(0, depth - 1)));
  }

  call(name: string, depth: number, type: Type = LONG): Expression {
    const parameters = PARAMETERS[name] ?? ANY_NUMBER;
    const values = [...parameters].map((p) =>
      p === 's'
        ? this.text(depth - 1)
        : p === 'p'
          ? this.address(depth - 1)
          : this.random.below(2) === 0
            ? long(this.random.below(300) - 20)
            : this.number(depth - 1),
    );
    return call(name, name === 'rand' || name === 'speculation' ? [] : values, type);
  }

  /** Anything that has a 64-bit value. */
  any(depth: number): Expression {
    const { random } = this;
    if (depth <= 0) return this.random.expression(2, LONG);
    switch (random.below(7)) {
      case 0: {
        const type = random.pick(INTEGERS);
        return convert(dereference(this.address(depth - 1), type), LONG);
      }
      case 1:
        return this.call(random.pick(SUBROUTINE_NAMES.filter((n) => PARAMETERS[n] !== undefined)), depth);
      case 2: {
        const target = dereference(this.address(depth - 1), random.pick(INTEGERS));
        return random.below(2) === 0
          ? convert(assign(target, convert(this.number(depth - 1), target.type)), LONG)
          : convert(
              update(random.pick(['+', '-', '/', '%', '<<', '>>', '^'] as const), target, convert(this.number(depth - 1), LONG)),
              LONG,
            );
      }
      case 3: {
        const object = dereference(this.address(depth - 1), PAIR);
        const member = random.pick(PAIR.members);
        return convert({ op: 'member', object, member, type: member.type, line: 1 }, LONG);
      }
      case 4:
        return builtin(
          random.pick(['arg0', 'timestamp', 'caller', 'ucaller', 'stackdepth', 'ustackdepth', 'cpu', 'epid', 'id', 'pid', 'walltimestamp']),
        );
      case 5:
        return {
          op: 'register',
          set: random.pick(['vmregs', 'uregs'] as const),
          index: this.number(depth - 1),
          type: UNSIGNED_LONG,
          line: 1,
        };
      default:
        return this.number(depth - 1);
    }
  }

  statement(): Statement {
    const { random } = this;
    const depth = 1 + random.below(4);
    switch (random.below(10)) {
      case 0:
        return does(assign(this.textVariable(2), this.text(depth)));
      case 1: {
        const structs = this.variables.filter(({ type }) => type === PAIR);
        const target = random.pick(structs);
        const place = target.keys === undefined ? of(target) : of(target, this.number(1));
        return does(assign(place, dereference(this.address(depth), PAIR)));
      }
      case 2:
        return action('trace', [random.below(2) === 0 ? this.any(depth) : this.text(depth)]);
      case 3:
        return action('tracemem', [this.address(depth)], { size: 1 + random.below(200) });
      case 4:
        return action(random.pick(['stack', 'ustack']), [], { size: 1 + random.below(30) });
      case 5: {
        const names: ActionName[] = ['clear', 'trunc', 'normalize', 'printa'];
        const name = random.pick(names);
        return action(name, name === 'trunc' || name === 'normalize' ? [this.number(2)] : [], {
          aggregations: [random.pick(this.aggregations)],
        });
      }
      case 6:
        return action(random.pick(['commit', 'discard']), [random.below(2) === 0 ? long(random.below(4)) : this.number(2)]);
      case 7: {
        const aggregation = random.pick(this.aggregations);
        const keys = aggregation.keys.map((type) => (type.kind === 'string' ? this.text(depth) : convert(this.any(depth), type)));
        return {
          kind: 'aggregate',
          line: 1,
          aggregation,
          keys,
          ...(aggregation.func.name !== 'count' && { value: this.any(depth) }),
          ...(aggregation.func.name.endsWith('quantize') && { increment: this.number(1) }),
        };
      }
      default:
        return does(this.any(depth));
    }
  }
}

const FUNCTIONS: readonly AggregatingFunction[] = [
  { name: 'count' },
  { name: 'avg' },
  { name: 'min' },
  { name: 'stddev' },
  { name: 'quantize' },
  { name: 'lquantize', base: -5, limit: 2_000_000_000, step: 50_000_000 },
  { name: 'llquantize', factor: 10, low: 0, high: 18, steps: 100 },
];

/** Registers and paging structures of the first vCPU, made of whatever comes. */
function shake(random: RandomTree): void {
  const { view } = bench;
  const set = (name: Parameters<typeof offsetOf>[0], value: bigint, index = 0): void =>
    view.setBigUint64(CPU + offsetOf(name, index), BigInt.asUintN(64, value), true);
  set('CR0', random.pick([0x8000_0011n, 0x11n]));
  set('CR4', random.pick([0n, 0x10n, 0x20n, 0x30n]));
  set('EFER', random.pick([0n, 0x500n]));
  set('CR3', BigInt(random.below(PAGES)) << 12n);
  for (let i = 0; i < 16; i++) set('REGS', random.pick([BigInt(random.below(RAM_BYTES)), random.word()]), i);
  set('RIP', random.word());
  view.setUint32(CPU + offsetOf('CPL'), random.pick([0, 3]), true);
  view.setUint32(CPU + offsetOf('MODE'), random.below(3), true);
  const ram = MEMORY_MAP.RAM_BASE;
  for (let at = 0; at < RAM_BYTES; at += 8) {
    const entry = random.below(4) === 0 ? random.word() : (BigInt(random.below(PAGES)) << 12n) | BigInt(random.below(256)) | 1n;
    view.setBigUint64(ram + at, BigInt.asUintN(64, entry), true);
  }
}

/** What is no program's: the VM's area, vCPUs, guest RAM, and what follows the arena, which ends at `end`. */
function digest(end: number): string {
  const memory = new Uint8Array(bench.memory.buffer);
  const hash = createHash('sha1');
  const keep = (from: number, to: number): void => void hash.update(Uint8Array.from(memory.subarray(from, to)));
  keep(MEMORY_MAP.VM_BASE, CPU + STATE_SIZE);
  keep(CPU + STATE_SIZE, CPU + 2 * MEMORY_MAP.VCPU_STRIDE);
  keep(MEMORY_MAP.RAM_BASE, MEMORY_MAP.RAM_BASE + RAM_BYTES);
  keep(end, end + (1 << 16));
  return hash.digest('hex');
}

function fuzz(seed: number, clauses: number): number {
  const wild = new Wild(seed);
  for (const [i, func] of FUNCTIONS.entries())
    wild.aggregations.push({
      name: `a${i}`,
      id: i + 1,
      func,
      signed: true,
      keys: [[], [LONG], [LONG, INT], [STRING], [STRING, LONG]][i % 5] as Type[],
    });
  shake(wild.random);
  // Where the next arena will be, so that programs find it.
  const probe = new Run(bench, program([clause(BEGIN, [does(long(1))])]));
  wild.arena = probe.running.arena;
  probe.close();
  const body = Array.from({ length: clauses }, () => {
    const speculates = wild.random.below(8) === 0;
    const statements = Array.from({ length: 1 + wild.random.below(4) }, () => wild.statement());
    return clause(PIO, [...(speculates ? [action('speculate', [long(wild.random.below(3))])] : []), ...statements]);
  });
  const checked = program([...body, clause(ERROR, [wild.statement()])], wild.variables, wild.aggregations);
  const options = {
    strsize: wild.random.pick([2, 3, 8, 9, 64, 256, 1000]),
    dynvarsize: wild.random.pick([16, 4096, 1 << 20]),
    aggsize: wild.random.pick([8, 4096, 1 << 20]),
    bufsize: wild.random.pick([4096, 65536]),
    bufpolicy: wild.random.pick(['switch', 'ring']),
    nspec: 2,
    specsize: 4096,
  };
  const run = new Run(bench, checked, options, { context: true });
  const args = Array.from({ length: 10 }, () => wild.random.word());
  bench.setArguments(CPU, args);
  const end = run.running.arena + run.word(ARENA.BYTES);
  const before = digest(end);
  bench.fire('KVM_PIO', args);
  assert.is(digest(end), before, `seed ${seed} wrote where it may not`);
  const records = run.records().length;
  run.close();
  return records;
}

test('random programs neither trap nor write what is not theirs', () => {
  bench.view.setUint32(MEMORY_MAP.VM_BASE + VM_AREA.SLOT_COUNT, 1, true);
  const slot = MEMORY_MAP.VM_BASE + VM_AREA.SLOTS;
  bench.view.setBigUint64(slot, 0n, true);
  bench.view.setUint32(slot + 8, PAGES, true);
  bench.view.setUint32(slot + 12, MEMORY_MAP.RAM_BASE, true);
  bench.view.setUint32(slot + 16, 1, true);
  const seeds = Number(process.env['FUZZ'] ?? 60);
  let records = 0;
  for (let seed = 1; seed <= seeds; seed++) records += fuzz(seed, 40);
  assert.ok(records > seeds, `${records} records`);
});

test.run();
