/**
 * The bottom layer of names: what every D program finds there before any library is read.
 *
 * By the Dynamic Tracing Guide, "Variables" and "Types"; the names of integer types are those of <sys/types.h> of illumos. Registers and exit reasons are
 * named as in illumos' D libraries. It is made once for a process and never changes.
 *
 * @module
 */
import { EXIT_REASON_NAMES } from '../../vmm/exit-reason.ts';
import { offsetOf } from '../../vmm/cpu/layout.ts';
import { B_FLAGS, STRUCTURES, type Structure } from '../structures.ts';
import { UREGS, VMCS_FIELDS } from '../vmcs.ts';
import {
  CHAR,
  INT,
  INT32,
  INT64,
  LONG,
  LONG_LONG,
  POINTER_DIFFERENCE,
  SHORT,
  SIGNED_CHAR,
  SIZE,
  STRING,
  UINT32,
  UINT64,
  UINTPTR,
  UNSIGNED,
  UNSIGNED_CHAR,
  UNSIGNED_LONG,
  UNSIGNED_LONG_LONG,
  UNSIGNED_SHORT,
  VOID_POINTER,
  arrayOf,
  named,
  pointerTo,
} from './ctype.ts';
import { ACTIONS, AGGREGATING, SUBROUTINES } from './functions.ts';
import { type Identifier, Names } from './names.ts';
import type { Binding, Expression } from './tree.ts';
import { typeNamed } from './type-name.ts';
import type { EnumType, StructType, Type } from './types.ts';

const PID = named('pid_t', INT);
const ID = named('id_t', INT);
const UID = named('uid_t', UNSIGNED);
const GID = named('gid_t', UNSIGNED);
const UINT = named('uint_t', UNSIGNED);
const PROCESSOR = named('processorid_t', INT);

const TYPEDEFS: Readonly<Record<string, Type>> = {
  int8_t: SIGNED_CHAR,
  int16_t: SHORT,
  int32_t: INT,
  int64_t: LONG,
  uint8_t: UNSIGNED_CHAR,
  uint16_t: UNSIGNED_SHORT,
  uint32_t: UNSIGNED,
  uint64_t: UNSIGNED_LONG,
  intmax_t: LONG,
  uintmax_t: UNSIGNED_LONG,
  intptr_t: LONG,
  uintptr_t: UNSIGNED_LONG,
  size_t: UNSIGNED_LONG,
  ssize_t: LONG,
  ptrdiff_t: LONG,
  uchar_t: UNSIGNED_CHAR,
  ushort_t: UNSIGNED_SHORT,
  uint_t: UNSIGNED,
  ulong_t: UNSIGNED_LONG,
  longlong_t: LONG_LONG,
  u_longlong_t: UNSIGNED_LONG_LONG,
  caddr_t: pointerTo(CHAR),
  time_t: LONG,
  clock_t: LONG,
  hrtime_t: LONG_LONG,
  off_t: LONG,
  offset_t: LONG_LONG,
  daddr_t: LONG,
  lbolt_t: LONG,
  dev_t: UNSIGNED_LONG,
  ino_t: UNSIGNED_LONG,
  mode_t: UNSIGNED,
  nlink_t: UNSIGNED,
  major_t: UNSIGNED,
  minor_t: UNSIGNED,
  pid_t: INT,
  id_t: INT,
  uid_t: UNSIGNED,
  gid_t: UNSIGNED,
  zoneid_t: INT,
  taskid_t: INT,
  projid_t: INT,
  processorid_t: INT,
  psetid_t: INT,
  chipid_t: INT,
  cpuid_t: INT,
  pgcnt_t: UNSIGNED_LONG,
  pfn_t: UNSIGNED_LONG,
  greg_t: LONG,
  ipaddr_t: UINT32,
  in_port_t: UNSIGNED_SHORT,
  gpa_t: UINT64,
  gva_t: UNSIGNED_LONG,
  hpa_t: UINT64,
  gfn_t: UINT64,
};

const BUILTINS: Readonly<Record<string, Type>> = {
  caller: UINTPTR,
  cpu: PROCESSOR,
  epid: UINT,
  errno: INT,
  execname: STRING,
  gid: GID,
  id: UINT,
  ipl: UINT,
  pid: PID,
  ppid: PID,
  probefunc: STRING,
  probemod: STRING,
  probename: STRING,
  probeprov: STRING,
  stackdepth: UINT32,
  tid: ID,
  timestamp: UINT64,
  ucaller: UINT64,
  uid: UID,
  ustackdepth: UINT32,
  vmid: UINT,
  vmname: STRING,
  vtimestamp: UINT64,
  walltimestamp: INT64,
  zonename: STRING,
};

/** What the probes' `struct kvm_vcpu *` points to: of the vCPU's state, its number. */
function vcpuStructure(): StructType {
  const offset = offsetOf('VCPU_ID');
  return {
    kind: 'struct',
    tag: 'kvm_vcpu',
    bytes: offset + 8,
    align: 8,
    members: [{ name: 'vcpu_id', type: INT, offset }],
    complete: true,
  };
}

/** What the arguments of the io and vnic providers point to. */
function argumentStructure({ tag, members, bytes, align }: Structure, names: Names): StructType {
  const typed = members.map(({ type, name, offset }) => {
    const found = type === 'string' ? STRING : typeNamed(type, names);
    if (found === undefined) throw new Error(`${tag}.${name}: no type ${type}`);
    return { name, type: found, offset };
  });
  return { kind: 'struct', tag, bytes, align, members: typed, complete: true };
}

/** A named constant, as an inline makes one: an `int`, or what its value needs. */
function constant(name: string, value: bigint, type: Type = INT): Identifier {
  return { kind: 'inline', name, form: 'scalar', type, parameters: [], bindings: [], body: { op: 'integer', value, type, line: 0 } };
}

/** `inline string strexitno[int32_t n]`: the name of an exit reason. */
function exitName(): Identifier {
  const binding: Binding = { name: 'exitno', type: INT32 };
  const bound: Expression = { op: 'bound', binding, type: INT32, line: 0 };
  let body: Expression = { op: 'text', value: '<unknown>', type: STRING, line: 0 };
  for (let reason = EXIT_REASON_NAMES.length - 1; reason >= 0; reason--) {
    const name = EXIT_REASON_NAMES[reason];
    if (name === undefined) continue;
    const number: Expression = { op: 'integer', value: BigInt(reason), type: INT32, line: 0 };
    const condition: Expression = { op: 'compare', operator: '==', left: bound, right: number, type: INT, line: 0 };
    const then: Expression = { op: 'text', value: name, type: STRING, line: 0 };
    body = { op: 'conditional', condition, then, otherwise: body, type: STRING, line: 0 };
  }
  const parameters = [{ name: binding.name, type: INT32 }];
  return { kind: 'inline', name: 'strexitno', form: 'array', type: STRING, parameters, bindings: [binding], body };
}

function defineTypes(names: Names): void {
  for (const [name, type] of Object.entries(TYPEDEFS)) names.typedefs.set(name, named(name, type));
  for (const type of [INT32, INT64, UINT32, UINT64, SIZE, UINTPTR, POINTER_DIFFERENCE]) {
    if (type.kind === 'typedef') names.typedefs.set(type.name, type);
  }
  const vcpu = vcpuStructure();
  names.tags.set(vcpu.tag, vcpu);
  for (const described of STRUCTURES) {
    const type = argumentStructure(described, names);
    names.tags.set(type.tag, type);
    names.typedefs.set(`${type.tag}_t`, named(`${type.tag}_t`, type));
  }
}

function defineVariables(names: Names): void {
  const { globals } = names;
  for (const [name, type] of Object.entries(BUILTINS)) globals.set(name, { kind: 'builtin', name, type });
  for (let n = 0; n < 10; n++) globals.set(`arg${n}`, { kind: 'builtin', name: `arg${n}`, type: INT64 });
  for (const name of ['args', 'vmregs', 'uregs'] as const) globals.set(name, { kind: 'registers', name, type: arrayOf(UINT64, -1) });
  globals.set('NULL', constant('NULL', 0n, VOID_POINTER));
  globals.set('strexitno', exitName());
  // Families of inet_ntop(), as illumos numbers them.
  globals.set('AF_INET', constant('AF_INET', 2n));
  globals.set('AF_INET6', constant('AF_INET6', 26n));
}

function defineConstants(names: Names): void {
  const { globals } = names;
  const fields: EnumType = {
    kind: 'enum',
    tag: 'vmcs_field',
    members: VMCS_FIELDS.map(({ name, encoding }) => [name, BigInt(encoding)]),
    complete: true,
  };
  names.tags.set(fields.tag, fields);
  for (const [name, value] of fields.members) globals.set(name, { kind: 'enumerator', name, type: fields, value });
  for (const { names: registers, index } of UREGS) for (const name of registers) globals.set(name, constant(name, BigInt(index)));
  for (const [name, value] of Object.entries(B_FLAGS)) globals.set(name, constant(name, BigInt(value)));
  EXIT_REASON_NAMES.forEach((name, reason) => {
    if (name !== undefined) globals.set(`EXIT_REASON_${name}`, constant(`EXIT_REASON_${name}`, BigInt(reason)));
  });
}

function defineFunctions(names: Names): void {
  const { globals } = names;
  for (const [name, prototype] of Object.entries(SUBROUTINES)) globals.set(name, { kind: 'function', name, prototype, action: false });
  for (const [name, prototype] of Object.entries(ACTIONS)) globals.set(name, { kind: 'function', name, prototype, action: true });
  for (const [name, prototype] of Object.entries(AGGREGATING)) globals.set(name, { kind: 'aggregating', name, prototype });
}

let made: Names | undefined;

/** The built-in names. */
export function builtinNames(): Names {
  if (made === undefined) {
    made = new Names();
    defineTypes(made);
    defineVariables(made);
    defineConstants(made);
    defineFunctions(made);
  }
  return made;
}
