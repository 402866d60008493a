/**
 * The functions of D with their prototypes: subroutines, which have values; actions, which leave records or change the tracer's state; aggregating
 * functions.
 *
 * By the Dynamic Tracing Guide, "Actions and Subroutines" and "Aggregations". Leaves out what is about data structures of the illumos kernel (mutex_owned()
 * and its kin, msgsize(), ddi_pathname()).
 *
 * @module
 */
import {
  CHAR,
  INT,
  INT32,
  INT64,
  SIZE,
  STRING,
  UINT32,
  UINT64,
  UINTPTR,
  UNSIGNED,
  UNSIGNED_LONG,
  UNSIGNED_SHORT,
  VOID,
  VOID_POINTER,
  named,
  pointerTo,
} from './ctype.ts';
import type { Prototype } from './names.ts';
import type { DynamicType, Type } from './types.ts';

/** `@` of a prototype: a value of any type. */
const ANY = undefined;
/** Named as messages show it; qualifiers change nothing else. */
const TEXT = pointerTo({ ...CHAR, name: 'const char' });
const UINT16 = named('uint16_t', UNSIGNED_SHORT);
const IP_ADDRESS = named('ipaddr_t', UINT32);
/** Of an IPv6 address only its bytes matter. */
const IP6_ADDRESS = VOID_POINTER;
const DEVICE = named('dev_t', UNSIGNED_LONG);
const PID = named('pid_t', INT);

export const dynamicType = (what: DynamicType['what'], bytes = 0): DynamicType => ({ kind: 'dynamic', what, bytes });

/** A prototype; those after `optional` may be left out. */
function prototype(returns: Type, parameters: readonly (Type | undefined)[], optional: readonly (Type | undefined)[] = []): Prototype {
  return { returns, parameters: [...parameters, ...optional], required: parameters.length, varargs: false };
}

/** Takes further arguments of any type. */
function variable(returns: Type, parameters: readonly (Type | undefined)[]): Prototype {
  return { returns, parameters, required: parameters.length, varargs: true };
}

export const SUBROUTINES: Readonly<Record<string, Prototype>> = {
  alloca: prototype(VOID_POINTER, [SIZE]),
  basename: prototype(STRING, [TEXT]),
  bcopy: prototype(VOID, [VOID_POINTER, VOID_POINTER, SIZE]),
  cleanpath: prototype(STRING, [TEXT]),
  copyin: prototype(VOID_POINTER, [UINTPTR, SIZE]),
  copyinstr: prototype(STRING, [UINTPTR], [SIZE]),
  copyinto: prototype(VOID, [UINTPTR, SIZE, VOID_POINTER]),
  copyout: prototype(VOID, [VOID_POINTER, UINTPTR, SIZE]),
  copyoutstr: prototype(VOID, [TEXT, UINTPTR], [SIZE]),
  dirname: prototype(STRING, [TEXT]),
  getmajor: prototype(named('major_t', UNSIGNED), [DEVICE]),
  getminor: prototype(named('minor_t', UNSIGNED), [DEVICE]),
  htonl: prototype(UINT32, [UINT32]),
  htonll: prototype(UINT64, [UINT64]),
  htons: prototype(UINT16, [UINT16]),
  index: prototype(INT, [TEXT, TEXT], [INT]),
  inet_ntoa: prototype(STRING, [pointerTo(IP_ADDRESS)]),
  inet_ntoa6: prototype(STRING, [IP6_ADDRESS]),
  inet_ntop: prototype(STRING, [INT, VOID_POINTER]),
  json: prototype(STRING, [TEXT, TEXT]),
  lltostr: prototype(STRING, [INT64], [INT]),
  ntohl: prototype(UINT32, [UINT32]),
  ntohll: prototype(UINT64, [UINT64]),
  ntohs: prototype(UINT16, [UINT16]),
  progenyof: prototype(INT, [PID]),
  rand: prototype(INT, []),
  rindex: prototype(INT, [TEXT, TEXT], [INT]),
  speculation: prototype(INT, []),
  strchr: prototype(STRING, [TEXT, CHAR]),
  strjoin: prototype(STRING, [TEXT, TEXT]),
  strlen: prototype(SIZE, [TEXT]),
  strrchr: prototype(STRING, [TEXT, CHAR]),
  strstr: prototype(STRING, [TEXT, TEXT]),
  strtok: prototype(STRING, [TEXT, TEXT]),
  strtoll: prototype(INT64, [TEXT], [INT]),
  substr: prototype(STRING, [TEXT, INT], [INT]),
  tolower: prototype(STRING, [TEXT]),
  toupper: prototype(STRING, [TEXT]),
};

const address = (what: DynamicType['what']): Prototype => prototype(dynamicType(what), [UINTPTR]);

export const ACTIONS: Readonly<Record<string, Prototype>> = {
  breakpoint: prototype(VOID, []),
  chill: prototype(VOID, [INT]),
  clear: variable(VOID, []),
  commit: prototype(VOID, [INT]),
  denormalize: variable(VOID, []),
  discard: prototype(VOID, [INT]),
  exit: prototype(VOID, [INT]),
  freopen: variable(VOID, [ANY]),
  ftruncate: prototype(VOID, []),
  func: address('func'),
  jstack: variable(dynamicType('ustack'), []),
  mod: address('mod'),
  normalize: variable(VOID, []),
  panic: prototype(VOID, []),
  print: prototype(VOID, [ANY]),
  printa: variable(VOID, []),
  printf: variable(VOID, [ANY]),
  raise: prototype(VOID, [INT]),
  setopt: prototype(VOID, [TEXT], [TEXT]),
  speculate: prototype(VOID, [INT]),
  stack: variable(dynamicType('stack'), []),
  stop: prototype(VOID, []),
  sym: address('sym'),
  system: variable(VOID, [ANY]),
  trace: prototype(VOID, [ANY]),
  tracemem: variable(VOID, [ANY, SIZE]),
  trunc: variable(VOID, []),
  uaddr: address('usym'),
  ufunc: address('ufunc'),
  umod: address('umod'),
  ustack: variable(dynamicType('ustack'), []),
  usym: address('usym'),
};

export const AGGREGATING: Readonly<Record<string, Prototype>> = {
  avg: prototype(VOID, [ANY]),
  count: prototype(VOID, []),
  llquantize: variable(VOID, [ANY, INT32, INT32, INT32, INT32]),
  lquantize: variable(VOID, [ANY, INT32, INT32]),
  max: prototype(VOID, [ANY]),
  min: prototype(VOID, [ANY]),
  quantize: variable(VOID, [ANY]),
  stddev: prototype(VOID, [ANY]),
  sum: prototype(VOID, [ANY]),
};
