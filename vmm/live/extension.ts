/**
 * Steps a guest from mark to mark, in the VM's thread.
 *
 * Theory. A guest that is stepped stands before its first instruction, and after each exit that completes the mark that was asked for: the thread waits
 * there, between two instructions, and does what comes from outside (`ExtensionHost.wait`): input for the console, a tracer's programs, questions. Because
 * it stands at the same instruction in each run, what is done there happens at the same instruction too.
 *
 * The mark is looked for in the log of exits, record by record, with the same code that finds it in the log of a whole run (`exit-log/marks.ts`). Nobody calls for
 * each exit: a port that the mark is about is watched on the bus, an address in the engine; each asks for a look at the next boundary (`VmClock.attend`),
 * and there the log is read up to the last exit. A look is no event of the VM, so a run that was stepped is the run that was not.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { EXIT_REASON } from '../exit-reason.ts';
import type { Extension, ExtensionHost } from '../extension.ts';
import { textAt } from '../exit-log/describe.ts';
import { COM1, LCR, type Mark, type MetMark, Phases } from '../exit-log/marks.ts';
import type { Vcpu } from '../cpu/vcpu.ts';
import { systemErrorText } from '../system-error.ts';
import { answerTo } from './answers.ts';
import { LiveLog, type RecordTaker } from './log.ts';
import type { FromLive, Standing, StepLimits, ToLive } from './messages.ts';

const NEVER = Number.POSITIVE_INFINITY;

class Stepper implements Extension, RecordTaker {
  readonly #host: ExtensionHost;
  #log: LiveLog | undefined;
  #stands = false;
  #ending = false;
  #held = false;
  #phases: Phases | undefined;
  /** The kind of the mark that is looked for. */
  #sought: Mark['kind'] | undefined;
  /** Exits that were before `#phases`. */
  #before = 0;
  /** The last write to COM1's line control: whether its port is that of the divisor (`ConsoleText`) is known from it. */
  #lineControl: DataView | undefined;
  /** Exits after the one that completed a mark, at the same boundary: the next mark begins with them. */
  #later: { readonly view: DataView; readonly aside: boolean }[] = [];
  /** Bytes that a virtio console had said before `#phases`, and all of them. */
  #saidBefore = 0;
  #said = 0;
  /** Addresses that are watched all the time. */
  #watch: readonly bigint[] = [];
  #limits = { insns: NEVER, timeNs: NEVER };

  constructor(host: ExtensionHost) {
    this.#host = host;
    host.vm.clock.onlooker(() => this.#look());
  }

  receive(message: unknown): void {
    const asked = message as ToLive;
    switch (asked.kind) {
      case 'begin':
        this.#try(() => {
          const { vm } = this.#host;
          this.#watch = asked.watch ?? [];
          this.#log = new LiveLog(vm, asked.log, { frames: asked.frames, watch: this.#watch }, this);
          vm.onWatch = () => vm.clock.attend();
          const keep = vm.onConsoleByte;
          vm.onConsoleByte = (byte) => {
            keep?.(byte);
            if (this.#sought === 'serial') vm.clock.attend();
          };
        });
        this.#stand('start');
        // What was asked for meanwhile is looked at on the way; a run that is to end does not get far.
        this.#host.vm.clock.attend();
        return;
      case 'go':
        this.#go(asked.mark, asked.limits);
        return;
      case 'hold':
        this.#held = true;
        this.#host.vm.clock.attend();
        return;
      case 'ask':
        this.#post({ kind: 'answer', number: asked.number, ...answerTo(asked.question, this.#host) });
    }
  }

  #post(message: FromLive): void {
    this.#host.post(message);
  }

  /** A log that cannot be written ends it all: what is counted would not be the run. */
  #try(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#log = undefined;
      this.#post({ kind: 'broken', reason: systemErrorText(error) });
    }
  }

  #go(mark: Mark | undefined, { insns = NEVER, timeNs = NEVER }: StepLimits): void {
    this.#limits = { insns: this.#host.vm.instructions + insns, timeNs: this.#host.vm.clock.now() + timeNs };
    this.#watchAlso(mark);
    const { mark: last, instructions } = this.#met ?? {};
    this.#phases = mark === undefined ? undefined : new Phases([mark], { mark: last, instructions });
    this.#sought = mark?.kind;
    this.#held = false;
    const { ports } = this.#host.vm;
    ports.watched = mark?.kind === 'port' ? mark.port : mark?.kind === 'serial' ? COM1 : -1;
    ports.written = () => this.#host.vm.clock.attend();
    this.#saidBefore = this.#saidHere;
    const later = this.#later;
    this.#later = [];
    this.#before = (this.#log?.exits ?? 0) - later.filter(({ aside }) => !aside).length;
    if (this.#lineControl !== undefined) this.#phases?.console.take(this.#lineControl, 0);
    for (const { view, aside } of later) this.#phase(view, 0, aside);
    this.#stands = false;
  }

  exit(view: DataView, at: number): void {
    const isOut =
      view.getUint8(at + EXIT_RECORD.REASON) === EXIT_REASON.IO_INSTRUCTION && (view.getUint8(at + EXIT_RECORD.QUALIFICATION) & 8) === 0;
    if (isOut && view.getUint16(at + EXIT_RECORD.QUALIFICATION + 2, true) === LCR) this.#lineControl = recordAt(view, at);
    this.#phase(view, at, false);
  }

  aside(view: DataView, at: number): void {
    this.#said += textAt(view, at).length;
    this.#phase(view, at, true);
  }

  #phase(view: DataView, at: number, aside: boolean): void {
    if (this.#met !== undefined) this.#later.push({ view: recordAt(view, at), aside });
    else if (!aside) this.#phases?.take(view, at);
    else this.#phases?.takeAside(view, at);
    // Text may go on after the mark that it completes.
    const rest = this.#phases?.rest ?? 0;
    if (aside && this.#met !== undefined && this.#later.length === 0 && rest > 0) this.#later.push({ view: restOf(view, at, rest), aside });
  }

  /** An address is watched from now on, beside those that always are. */
  #watchAlso(mark: Mark | undefined): void {
    if (mark?.kind === 'address' && !this.#watch.includes(mark.address)) this.#host.vm.watch([...this.#watch, mark.address]);
  }

  /** Bytes that a virtio console had said where the guest stands: less than all, when a mark was met in the midst of them. */
  get #saidHere(): number {
    return this.#said - this.#later.reduce((sum, { view, aside }) => sum + (aside ? textAt(view, 0).length : 0), 0);
  }

  get #met(): MetMark | undefined {
    const met = this.#phases?.met[0];
    return met && { ...met, exits: this.#before + met.exits, said: this.#saidBefore + met.said };
  }

  /** Between two instructions. */
  #look(): number {
    this.#try(() => this.#log?.look());
    for (;;) {
      if (this.#ending) {
        this.#endSlice();
        return NEVER;
      }
      const left = this.#limits.insns - this.#host.vm.instructions;
      if (this.#met !== undefined) this.#stand('mark');
      else if (this.#held) this.#stand('held');
      else if (left <= 0) this.#stand('insns');
      else if (this.#host.vm.clock.now() >= this.#limits.timeNs) this.#stand('time');
      // An instruction takes a nanosecond at least.
      else return Math.min(this.#limits.timeNs, this.#host.vm.clock.now() + left);
    }
  }

  /** Nothing of the VM happens until `go`, or until the run is to end. */
  #stand(why: Standing): void {
    this.#stands = true;
    this.#tell(why);
    while (this.#stands && this.#host.wait());
    if (!this.#stands) return;
    this.#ending = true;
    this.#phases = undefined;
  }

  /** The run ends here and not a slice later. */
  #endSlice(): void {
    const { vcpus, clock } = this.#host.vm;
    const { state } = vcpus.find(({ base }) => base === clock.base) as Vcpu;
    state.set('SLICE_END', state.get('ICOUNT'));
  }

  #tell(why: Standing): void {
    const { vm } = this.#host;
    const met = this.#met;
    this.#try(() => (why === 'end' ? this.#log?.end() : this.#log?.flush()));
    vm.kstats.refresh();
    const where = { timeNs: vm.clock.now(), instructions: vm.instructions, exits: this.#log?.exits ?? 0, said: this.#saidHere };
    this.#post({ kind: 'stands', why, ...(met && { met }), ...where });
  }

  ended(): void {
    this.#try(() => this.#log?.look());
    this.#tell('end');
  }
}

function recordAt(view: DataView, at: number): DataView {
  const bytes = new Uint8Array(EXIT_RECORD.BYTES);
  bytes.set(new Uint8Array(view.buffer, view.byteOffset + at, EXIT_RECORD.BYTES));
  return new DataView(bytes.buffer);
}

/** The end of a record of text. */
function restOf(view: DataView, at: number, length: number): DataView {
  const record = recordAt(view, at);
  const bytes = textAt(record, 0);
  bytes.copyWithin(0, bytes.length - length);
  record.setUint8(EXIT_RECORD.TEXT_COUNT, length);
  return record;
}

export const extend = (host: ExtensionHost): Extension => new Stepper(host);
