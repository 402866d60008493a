/**
 * What follows a fault of a clause: the record that tells the consumer, and the arguments of `dtrace:::ERROR`.
 *
 * The program's dispatcher calls `faulted` when a clause has left with a fault, runs ERROR's clauses when it returns 1, then calls `recovered`. A fault in
 * one of those is only counted. The vCPU's argument words hold ERROR's arguments meanwhile; the firing's own come back, because other clauses
 * and other consumers still want them.
 */
import { DROP_DBLERROR, EPID_FAULT, PROBE_ARG, RECORD_HEADER } from './constants.gen';
import { IN_ERROR, SAVED_ARGS } from './private';
import { claimOwn, commit, header } from './ring';
import { arena, clearFault, cpu, drop, fault, faultAddress } from './state';

const ARGS: usize = 10 * 8;

/** `site`: action << 16 | offset, as compiled code has it, and the highest bit, so that it is never 0. Returns 1 when ERROR's clauses are to run now. */
export function faulted(epid: u32, site: u32): u32 {
  const kind = fault;
  const address = faultAddress;
  clearFault();
  if (load<u32>(arena, IN_ERROR) != 0) {
    drop(DROP_DBLERROR);
    return 0;
  }
  const action = (site >> 16) & 0x7fff;
  const offset = site & 0xffff;
  const at = claimOwn(<u32>RECORD_HEADER + 24);
  if (at != 0) {
    header(at, <u32>RECORD_HEADER + 24, EPID_FAULT, 0);
    store<u32>(at, epid, RECORD_HEADER);
    store<u32>(at, action, RECORD_HEADER + 4);
    store<u32>(at, offset, RECORD_HEADER + 8);
    store<u32>(at, kind, RECORD_HEADER + 12);
    store<u64>(at, address, RECORD_HEADER + 16);
    commit();
  }
  store<u32>(arena, 1, IN_ERROR);
  memory.copy(arena + SAVED_ARGS, cpu + PROBE_ARG, ARGS);
  memory.fill(cpu + PROBE_ARG, 0, ARGS);
  store<u64>(cpu, epid, PROBE_ARG + 8);
  store<u64>(cpu, action, PROBE_ARG + 16);
  store<u64>(cpu, offset, PROBE_ARG + 24);
  store<u64>(cpu, kind, PROBE_ARG + 32);
  store<u64>(cpu, address, PROBE_ARG + 40);
  return 1;
}

export function recovered(): void {
  memory.copy(cpu + PROBE_ARG, arena + SAVED_ARGS, ARGS);
  store<u32>(arena, 0, IN_ERROR);
}
