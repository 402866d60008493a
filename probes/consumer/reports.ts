/**
 * What goes wrong while tracing, in words: faults of clauses, drops, actions that the consumer could not carry out.
 *
 * Models dt_handle.c of libdtrace. The caller puts the command's name in front and writes to the standard error output.
 *
 * @module
 */
import type { DROPS } from '../arena.ts';
import { FAULT } from '../arena.ts';
import type { Probe } from '../d/tree.ts';
import type { EpidDescriptor } from '../program.ts';
import { hexU64, type RecordBytes } from './datum.ts';

export type DropKind = (typeof DROPS)[number];

/** A clause that faulted. */
export interface Fault {
  readonly epid: number;
  /** From 1; 0 = the predicate. */
  readonly action: number;
  /** Within the action's code; -1 = not known. */
  readonly offset: number;
  readonly fault: number;
  /** Of a bad address or alignment, in hexadecimal with its prefix. */
  readonly address: string;
}

/** Body of a FAULT record, bytes from its start. */
const BODY = { EPID: 0, ACTION: 4, OFFSET: 8, FAULT: 12, ADDRESS: 16 } as const;

export function readFault(record: RecordBytes, body: number): Fault {
  return {
    epid: record.u32(body + BODY.EPID),
    action: record.u32(body + BODY.ACTION),
    offset: record.u32(body + BODY.OFFSET) | 0,
    fault: record.u32(body + BODY.FAULT),
    address: `0x${hexU64(record.u32(body + BODY.ADDRESS), record.u32(body + BODY.ADDRESS + 4))}`,
  };
}

const FAULTS: Readonly<Record<number, string>> = {
  [FAULT.BADADDR]: 'invalid address',
  [FAULT.BADALIGN]: 'invalid alignment',
  [FAULT.ILLOP]: 'illegal operation',
  [FAULT.DIVZERO]: 'divide-by-zero',
  [FAULT.NOSCRATCH]: 'out of scratch space',
  [FAULT.KPRIV]: 'invalid kernel access',
  [FAULT.UPRIV]: 'invalid user access',
  [FAULT.TUPOFLOW]: 'tuple stack overflow',
  [FAULT.BADSTACK]: 'bad stack',
};

/** A fault's name. */
export function faultName(fault: number): string {
  return FAULTS[fault] ?? 'unknown fault';
}

/** True for a fault that has an address. */
export function hasAddress(fault: number): boolean {
  return fault === FAULT.BADADDR || fault === FAULT.BADALIGN;
}

function place(epid: number, { id, provider, module, func, name }: Probe): string {
  return `error on enabled probe ID ${epid} (ID ${id}: ${provider}:${module}:${func}:${name})`;
}

/** The message of a fault, without the command's name and newline. */
export function faultText(fault: Fault, probe: Probe): string {
  const address = hasAddress(fault.fault) ? ` (${fault.address})` : '';
  const where = fault.action === 0 ? 'predicate' : `action #${fault.action}`;
  const offset = fault.offset === -1 ? '' : ` at DIF offset ${fault.offset}`;
  return `${place(fault.epid, probe)}: ${faultName(fault.fault)}${address} in ${where}${offset}`;
}

/** The message of an action that failed here, after the clause had run. */
export function libraryFaultText({ epid, probe }: EpidDescriptor, text: string): string {
  return `${place(epid, probe)}: ${text}`;
}

/** What is counted, and what follows the plural. A VM has one buffer for all its vCPUs: it goes as the first one's. */
const DROP_WORDS: Readonly<Record<DropKind, readonly [what: string, rest: string]>> = {
  PRINCIPAL: ['drop', ' on CPU 0'],
  AGGREGATION: ['aggregation drop', ' on CPU 0'],
  DYNAMIC: ['dynamic variable drop', ''],
  DYNRINSE: ['dynamic variable drop', ' with non-empty rinsing list'],
  DYNDIRTY: ['dynamic variable drop', ' with non-empty dirty list'],
  SPEC: ['speculative drop', ''],
  SPECBUSY: ['failed speculation', ' (available buffer(s) still busy)'],
  SPECUNAVAIL: ['failed speculation', ' (no speculative buffer available)'],
  STKSTROVERFLOW: ['jstack()/ustack() string table overflow', ''],
  DBLERROR: ['error', ' in ERROR probe enabling'],
};

/**
 * The message of drops, without the command's name and newline.
 *
 * @param tag put the kind in front (`-x droptags`)
 */
export function dropText(kind: DropKind, count: number, tag: boolean): string {
  const [what, rest] = DROP_WORDS[kind];
  return `${tag ? `[DTRACEDROP_${kind}] ` : ''}${count} ${what}${count > 1 ? 's' : ''}${rest}`;
}
