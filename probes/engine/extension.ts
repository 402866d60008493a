/**
 * The tracer in the thread of a VM: an extension of it (`vmm/extension.ts`), which does what the main thread asks for (`thread-messages.ts`).
 *
 * Messages come at slice ends. While the VM stands still (`pause`, stop(), breakpoint()) they are handled as ever, so programs come and go then, too.
 *
 * @module
 */
import { createRequire } from 'node:module';
import { disassembledLines, registerLines } from '../../vmm/death-report.ts';
import type { Extend, Extension, ExtensionHost } from '../../vmm/extension.ts';
import type { Vcpu } from '../../vmm/cpu/vcpu.ts';
import { ASK } from '../arena.ts';
import { EnableError, type RunningProgram } from './programs.ts';
import { TooManyProbes } from './slots.ts';
import type { FromThread, ToThread } from './thread-messages.ts';
import { Tracer } from './tracer.ts';

const load = createRequire(import.meta.url);

/** Where the vCPU is, for a person. */
function stateOf(vcpu: Vcpu): string {
  const code = disassembledLines(load('iced-x86') as typeof import('iced-x86'), vcpu);
  return [...registerLines(vcpu), '', ...code].join('\n');
}

class TracerExtension implements Extension {
  readonly #host: ExtensionHost;
  readonly #post: (message: FromThread) => void;
  readonly #tracer: Tracer;
  readonly #programs = new Map<number, RunningProgram>();
  readonly #ids = new Map<RunningProgram, number>();
  #standing = false;

  constructor(host: ExtensionHost) {
    this.#host = host;
    this.#post = (message) => host.post(message);
    this.#tracer = new Tracer(host.vm, {
      stopped: (program) => this.#post({ kind: 'stopped', id: this.#idOf(program) }),
      paused: (program, what) => this.#pause(what, this.#idOf(program)),
    });
  }

  #idOf(program: RunningProgram): number {
    return this.#ids.get(program) as number;
  }

  receive(message: unknown): void {
    const asked = message as ToThread;
    switch (asked.kind) {
      case 'enable':
        this.#enable(asked);
        return;
      case 'stop':
        this.#with(asked.id, (program) => this.#tracer.stop(program));
        return;
      case 'release':
        this.#with(asked.id, (program) => this.#release(asked.id, program));
        return;
      case 'forget':
        this.#with(asked.id, (program) => this.#tracer.forget(program));
        return;
      case 'pause':
        this.#pause(0);
        return;
      case 'resume':
        this.#standing = false;
    }
  }

  #with(id: number, act: (program: RunningProgram) => void): void {
    const program = this.#programs.get(id);
    if (program !== undefined) act(program);
  }

  #enable({ id, program, around, wait }: Extract<ToThread, { kind: 'enable' }>): void {
    let running: RunningProgram;
    try {
      running = this.#tracer.add(program, around, wait);
    } catch (error) {
      // Whatever it is, it is no reason for the VM to end.
      const { name, message } = error as Error;
      const expected = error instanceof EnableError || error instanceof TooManyProbes;
      this.#post({ kind: 'refused', id, reason: expected ? message : `the program does not load (${name}: ${message})` });
      return;
    }
    this.#programs.set(id, running);
    this.#ids.set(running, id);
    // Before BEGIN fires: a record of BEGIN's may have to wait for its reader.
    this.#post({ kind: 'enabled', id, arena: running.arena, lowered: running.lowered });
    this.#tracer.begin(running);
  }

  #release(id: number, program: RunningProgram): void {
    this.#tracer.release(program);
    this.#programs.delete(id);
    this.#ids.delete(program);
  }

  /** Nothing of the VM happens until `resume`, or until the run is to end. */
  #pause(what: number, id?: number): void {
    // It stands already: whoever asks now has what he wants.
    if (this.#standing) return;
    this.#standing = true;
    const vcpu = this.#host.vm.vcpus.find(({ base }) => base === this.#host.vm.clock.base) as Vcpu;
    const state = what & ASK.MONITOR ? stateOf(vcpu) : '';
    this.#post({ kind: 'paused', ...(id !== undefined && { id }), what, state });
    while (this.#standing && this.#host.wait());
    this.#standing = false;
    this.#post({ kind: 'resumed' });
  }

  ended(): void {
    this.#tracer.ended();
  }
}

export const extend: Extend = (host) => new TracerExtension(host);
