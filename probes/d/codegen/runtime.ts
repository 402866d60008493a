/**
 * The functions of the tracer's runtime (`probes/runtime`) that compiled code calls, with their types: `i` for i32, `l` for i64, parameters before `>`.
 *
 * @module
 */
import { I32, I64, type ValueType } from '../../../vmm/wasm/asm.ts';

const SIGNATURES = {
  prepare: 'iii>',
  // Faults.
  raise: 'il>',
  faulted: 'ii>i',
  recovered: '>',
  // Records.
  reserve: 'ii>i',
  commit: '>',
  emit: 'iii>i',
  snapshot: 'i>i',
  speculate: 'lii>i',
  speculated: 'li>',
  speculation: '>l',
  commitSpeculation: 'l>',
  discard: 'l>',
  // Memory.
  loadAt: 'li>l',
  storeAt: 'lli>',
  copyTo: 'lli>',
  copyBytes: 'ili>i',
  copyText: 'ili>i',
  keyText: 'ili>',
  assignText: 'ili>',
  // Aggregations.
  describeAggregation: 'iiiiil>',
  aggregationParameter: 'iil>',
  aggregation0: 'i>i',
  aggregation1: 'il>i',
  aggregation2: 'ill>i',
  aggregationN: 'iii>i',
  minimum: 'iil>',
  maximum: 'iil>',
  deviation: 'il>',
  quantize: 'ill>',
  lquantize: 'illlli>',
  llquantize: 'illliili>',
  clear: 'i>',
  trunc: 'il>',
  normalize: 'il>',
  // Variables.
  dynamic: 'iiii>i',
  release: 'iii>',
  // Strings.
  strcmp: 'll>i',
  strlen: 'l>l',
  strjoin: 'll>l',
  substr: 'lll>l',
  index: 'lll>l',
  rindex: 'lll>l',
  strstr: 'll>l',
  strchr: 'li>l',
  strrchr: 'li>l',
  strtok: 'll>l',
  toupper: 'l>l',
  tolower: 'l>l',
  basename: 'l>l',
  dirname: 'l>l',
  cleanpath: 'l>l',
  lltostr: 'li>l',
  strtoll: 'li>l',
  inet_ntoa: 'l>l',
  inet_ntoa6: 'l>l',
  inet_ntop: 'il>l',
  json: 'll>l',
  rand: '>l',
  // The guest.
  vmreg: 'l>l',
  ureg: 'l>l',
  caller: 'i>l',
  stack: 'iii>',
  stackDepth: 'i>l',
  alloca: 'l>l',
  bcopy: 'lll>',
  copyin: 'll>l',
  copyinstr: 'll>l',
  copyinto: 'lll>',
  copyout: 'lll>',
  copyoutstr: 'lll>',
  // Control.
  exit: 'ii>i',
  ask: 'i>',
  chill: 'l>',
} as const;

export type RuntimeFunction = keyof typeof SIGNATURES;

export interface Signature {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

const types = (letters: string): ValueType[] => [...letters].map((letter) => (letter === 'i' ? I32 : I64));

/** Every function with its type, in the order of their import. */
export const RUNTIME: readonly (readonly [RuntimeFunction, Signature])[] = Object.entries(SIGNATURES).map(([name, letters]) => {
  const [params, results] = letters.split('>') as [string, string];
  return [name as RuntimeFunction, { params: types(params), results: types(results) }];
});

const BY_NAME = new Map(RUNTIME);

export function signatureOf(name: RuntimeFunction): Signature {
  return BY_NAME.get(name) as Signature;
}
