/**
 * A machine with a VGA for tests: what it shows, and keys typed on it.
 *
 * @module
 */
import * as assert from 'uvu/assert';
import { VGA_BYTES } from '../../devices/vga-state.ts';
import { codesOf } from '../../vmm/cli/key-codes.ts';
import { strokesOfNames, strokesOfText } from '../../vmm/cli/type.ts';
import { Machine, type MachineOptions } from '../../vmm/machine.ts';
import type { Outcome } from '../../vmm/report.ts';
import { readScreen, screenLines, type TextScreen } from '../../vmm/text-screen.ts';

export class ScreenGuest {
  readonly machine: Machine;
  readonly #state = new Uint8Array(new SharedArrayBuffer(VGA_BYTES));

  constructor(options: Omit<MachineOptions, 'video' | 'output'>, bios?: Uint8Array) {
    this.machine = Machine.createSync({ ...options, output() {}, video: { state: this.#state, bios } });
  }

  get screen(): TextScreen {
    return readScreen(this.machine.vm.memory.buffer, this.#state);
  }

  get lines(): string[] {
    return screenLines(this.screen);
  }

  get instructions(): number {
    return this.machine.vm.vcpus.reduce((sum, vcpu) => sum + vcpu.instructions, 0);
  }

  /** Types a text, in which \r and the like stand for keys. */
  type(text: string): void {
    this.machine.keyInput(strokesOfText(text).flatMap(codesOf));
  }

  /** Presses keys by name: `down`, `ctrl-alt-delete`. */
  press(names: string): void {
    this.machine.keyInput(strokesOfNames(names).flatMap(codesOf));
  }

  /** Runs until the screen shows it, looking every `stepNs` of the VM's clock; fails when it has not come `limitNs` from now. */
  until(what: RegExp, limitNs = 60e9, stepNs = 20e6): void {
    const { machine } = this;
    for (let now = machine.vm.clock.now(), end = now + limitNs; now < end; now += stepNs) {
      if (what.test(this.lines.join('\n'))) return;
      const outcome = machine.run({ timeNs: now + stepNs });
      if (outcome.kind !== 'limit') {
        assert.match(this.lines.join('\n'), what, `ended: ${JSON.stringify(outcome)}`);
        return;
      }
    }
    assert.unreachable(`${what} did not come:\n${this.lines.join('\n')}`);
  }

  end(insns = 6e9): Outcome {
    return this.machine.run({ insns: this.instructions + insns });
  }
}
