/**
 * The gate: what the core's `probe` import is bound to, so that the core, which is compiled and instantiated before anybody traces, needs to
 * know nothing of a tracer.
 *
 * A WebAssembly module of one function that calls through a table of one slot, which holds a function that does nothing. A tracer puts its
 * own into the slot: the call from a probe site then never leaves WebAssembly. The module stands here as bytes, because the emitter
 * (`vmm/wasm`) takes longer to load than a VM may spend on what it may never use; a test makes it with the emitter and compares.
 *
 *     (module
 *       (type $firing (func (param i32 i32)))
 *       (table (export "table") 1 funcref)
 *       (func $nobody (type $firing))
 *       (func (export "probe") (type $firing) local.get 0 local.get 1 i32.const 0 return_call_indirect (type $firing))
 *       (elem (i32.const 0) $nobody))
 *
 * @module
 */

/** The module's bytes. */
export const GATE_MODULE: Uint8Array<ArrayBuffer> = Uint8Array.from(
  (
    '0061736d01000000' +
    '01060160027f7f00' +
    '0303020000' +
    '040401700001' +
    '0711020570726f6265000105' +
    '7461626c650100' +
    '0907010041000b0100' +
    '0a100202000b0b00200020014100130000' +
    '0b'
  ).match(/../g) as string[],
  (byte) => Number.parseInt(byte, 16),
);

/** A probe site in the core calls it: the vCPU's state, the point's number. */
export type Firing = (cpu: number, point: number) => void;

/** The gate of one VM. */
export class ProbeGate {
  /** For the core's imports. */
  readonly probe: Firing;
  readonly #table: WebAssembly.Table;
  readonly #nobody: unknown;

  constructor() {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(GATE_MODULE));
    this.probe = exports['probe'] as unknown as Firing;
    this.#table = exports['table'] as WebAssembly.Table;
    this.#nobody = this.#table.get(0);
  }

  /** Lets `firing`, a WebAssembly function, be called by every probe that fires; null: nothing. */
  open(firing: Firing | null): void {
    this.#table.set(0, firing ?? this.#nobody);
  }
}
