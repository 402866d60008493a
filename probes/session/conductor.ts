/**
 * One output from several VMs that run the same program.
 *
 * Theory. Each VM has an instance of the program with variables and a clock of its own. Its records go to the output as they come, with three
 * exceptions:
 *
 * - BEGIN, END and tick fire in each VM, and are printed once. A VM that comes to such a firing waits until the others have come to theirs; then
 *   the record of the first VM is printed, and the aggregations that its printa() prints are those of all VMs at their firing, merged. VMs run at
 *   different speeds, so nobody waits longer than GRACE_MS for one that is behind: it is taken as it was last heard of, and its own firing is passed
 *   over when it comes. END waits until the tracing ends.
 * - Other records with a printa print what all VMs have, the others as they were last heard of.
 * - With `temporal`, records are ordered by the time of the host at which they were written, as far as that is known: see `voice.ts`.
 *
 * exit() in one ends all. The aggregations at the end are merged. A VM that was lost counts with what was last heard of it.
 *
 * @module
 */
import { RECORD, SPECIAL } from '../arena.ts';
import type { AggregationDescriptor, ProgramDescriptor } from '../program.ts';
import { isSet, numberOf } from '../options.ts';
import type { DropCount } from './enabling.ts';
import { hostNow } from './messages.ts';
import { type Batch, type Held, type Item, Voice, type VoiceEnd } from './voice.ts';
import type { ProgramEvents } from './program.ts';
import { mergeGroups, type SnapshotGroup } from './snapshot-merge.ts';

/** Where it all goes. */
export interface MergedOutput {
  /** Whole records. */
  records(bytes: Uint8Array<ArrayBuffer>): void;
  drops(counts: readonly DropCount[]): void;
  /** Nothing more can be taken for now; `Conductor.run` when it can. */
  readonly isFull: boolean;
  /** SNAPSHOT records of all aggregations, and the end. */
  ended(aggregations: readonly Uint8Array<ArrayBuffer>[], ends: readonly VoiceEnd[]): void;
}

/** What the conductor wants of a VM. */
export interface Conducted {
  stop(): void;
  resume(): void;
}

/** How long a VM waits for another at a firing that is printed once: ms. */
const GRACE_MS = 1000;
/** How much later than its ring is looked at a record may come: ms. */
const TRANSIT_MS = 100;

export class Conductor {
  readonly #voices: Voice[];
  #output: MergedOutput | undefined;
  #vms: Conducted[] = [];
  #isTemporal = false;
  #aggregations: ReadonlyMap<number, AggregationDescriptor> = new Map();
  /** Epids whose records are printed once; of them, those of BEGIN and of END. */
  readonly #once = new Set<number>();
  readonly #first = new Set<number>();
  readonly #last = new Set<number>();
  readonly #exits = new Set<number>();
  /** Firings of each that were printed. */
  readonly #printed = new Map<number, number>();
  #delayMs = 0;
  #begun = false;
  #stopping = false;
  #done = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(count: number) {
    this.#voices = Array.from({ length: count }, (_, i) => new Voice(i, () => this.run()));
  }

  /** Takes what the VM of this number says; what comes before `begin` is kept. */
  voice(index: number): ProgramEvents {
    return this.#voices[index] as Voice;
  }

  /** All are enabled. */
  begin(descriptor: ProgramDescriptor, vms: readonly Conducted[], output: MergedOutput): void {
    this.#vms = [...vms];
    this.#output = output;
    this.#aggregations = new Map(descriptor.aggregations.map((aggregation) => [aggregation.id, aggregation]));
    for (const enabling of descriptor.epids) {
      if (enabling === undefined) continue;
      const { provider, name } = enabling.probe;
      if (provider === 'dtrace' && name === 'BEGIN') this.#first.add(enabling.epid);
      if (provider === 'dtrace' && name === 'END') this.#last.add(enabling.epid);
      if (provider === 'profile' && name.startsWith('tick-')) this.#once.add(enabling.epid);
      if (enabling.actions.some(({ action }) => action === 'exit')) this.#exits.add(enabling.epid);
    }
    this.#isTemporal = isSet(descriptor.options, 'temporal');
    for (const epid of [...this.#first, ...this.#last]) this.#once.add(epid);
    this.#delayMs = numberOf(descriptor.options, 'switchrate', 1e9) / 1e6 + TRANSIT_MS;
    this.#begun = true;
    this.run();
  }

  /**
   * A VM that comes later than the others: takes what it says, which is kept until `enter`. Firings that are printed once were printed before it came,
   * so the ones that it has from now on count with the next ones of the others.
   */
  join(): { readonly events: ProgramEvents; enter(vm: Conducted): void } {
    const voice = new Voice(this.#voices.length, () => this.run());
    return {
      events: voice,
      enter: (vm) => {
        voice.index = this.#voices.length;
        voice.late = true;
        for (const [epid, turns] of this.#printed) voice.turns.set(epid, turns);
        this.#voices.push(voice);
        this.#vms.push(vm);
        if (this.#stopping) vm.stop();
        this.run();
      },
    };
  }

  get #temporal(): boolean {
    return this.#isTemporal && this.#vms.length > 1;
  }

  /** END fires in all, then it ends. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const vm of this.#vms) vm.stop();
  }

  /** Does what can be done now. */
  readonly run = (): void => {
    if (!this.#begun || this.#done) return;
    clearTimeout(this.#timer);
    let moved = true;
    while (moved && this.#output?.isFull === false) {
      moved = false;
      for (const voice of this.#order()) if (this.#advance(voice)) moved = true;
      if (this.#settle()) moved = true;
    }
    if (this.#voices.every((voice) => voice.end !== undefined)) this.#finish();
    else this.#later();
  };

  /** VMs in the order in which they may speak. */
  #order(): readonly Voice[] {
    if (!this.#temporal) return this.#voices;
    const stamped = this.#voices.filter((voice) => voice.end === undefined && voice.held === undefined);
    const stamp = (voice: Voice): number => {
      const { next } = voice;
      if (next === undefined) return Number.POSITIVE_INFINITY;
      const record = next.kind === 'records' ? next.cursor.peek() : undefined;
      return next.kind === 'records' && record !== undefined ? next.stampOf(record.timestamp) : 0;
    };
    const first = stamped.reduce<Voice | undefined>((a, b) => (a === undefined || stamp(b) < stamp(a) ? b : a), undefined);
    if (first === undefined || stamp(first) === Number.POSITIVE_INFINITY) return [];
    // One that says nothing may still have something older to say.
    const known = stamped.every((voice) => voice.next !== undefined) || hostNow() >= stamp(first) + this.#delayMs;
    return known ? [first] : [];
  }

  /** Lets a VM speak; false when it has nothing to say or waits. */
  #advance(voice: Voice): boolean {
    if (voice.held !== undefined || voice.end !== undefined || this.#output?.isFull) return false;
    const item = voice.next;
    if (item === undefined) return false;
    if (item.kind === 'records' && !this.#records(voice, item)) return true;
    if (item.kind !== 'records') this.#other(voice, item);
    if (voice.shift()) this.#vms[voice.index]?.resume();
    return true;
  }

  #other(voice: Voice, item: Exclude<Item, Batch>): void {
    switch (item.kind) {
      case 'drops':
        this.#output?.drops(item.counts);
        return;
      case 'reading':
        for (const group of item.groups) voice.latest.set(group.id, group);
        return;
      case 'ended':
        voice.end = item.end;
    }
  }

  /** Goes through a batch; false when there is more of it. */
  #records(voice: Voice, { cursor }: Batch): boolean {
    if (this.#voices.length === 1) {
      this.#output?.records(cursor.bytes);
      return true;
    }
    let from = -1;
    let to = -1;
    const flush = (): void => {
      if (from >= 0) this.#output?.records(cursor.bytes.slice(from, to));
      from = -1;
    };
    for (let record = cursor.peek(); record !== undefined; record = cursor.peek()) {
      cursor.advance(record);
      if (this.#exits.has(record.epid)) this.stop();
      const bytes = (): Uint8Array<ArrayBuffer> => cursor.bytes.slice(record.start, record.end);
      if (record.epid === SPECIAL.SNAPSHOT) {
        voice.collector.add(bytes());
        continue;
      }
      if (record.epid === SPECIAL.FAULT && this.#isEcho(voice, cursor.view.getUint32(record.start + RECORD.HEADER, true))) continue;
      const groups = voice.collector.take();
      for (const group of groups) voice.latest.set(group.id, group);
      const once = this.#once.has(record.epid);
      if (once || groups.length > 0) {
        flush();
        if (!once) this.#print(bytes(), [voice], [groups]);
        else if (this.#hold(voice, record.epid, bytes(), groups)) return cursor.peek() === undefined;
        continue;
      }
      if (from < 0) from = record.start;
      to = record.end;
      if (this.#temporal) break;
    }
    flush();
    return cursor.peek() === undefined;
  }

  /** The fault of a firing that all VMs have alike: one is enough. */
  #isEcho(voice: Voice, epid: number): boolean {
    return voice.index > 0 && this.#once.has(epid);
  }

  /** A record that is printed once: true when its VM has to wait for the others. */
  #hold(voice: Voice, epid: number, record: Uint8Array<ArrayBuffer>, groups: readonly SnapshotGroup[]): boolean {
    if (voice.late && this.#first.has(epid)) return false;
    const turn = (voice.turns.get(epid) ?? 0) + 1;
    voice.turns.set(epid, turn);
    if (turn <= (this.#printed.get(epid) ?? 0)) return false;
    voice.held = { epid, turn, record, groups };
    voice.heldSince = hostNow();
    return true;
  }

  /** Prints a record that is printed once, if one is due. */
  #settle(): boolean {
    const live = this.#voices.filter((voice) => voice.end === undefined);
    const waiting = live.filter((voice) => voice.held !== undefined);
    const due =
      waiting.length === live.length
        ? (waiting.find(({ held }) => !this.#last.has((held as Held).epid)) ?? waiting[0])
        : waiting.find((voice) => this.#isOverdue(voice));
    if (due === undefined) return false;
    const { epid, turn, record } = due.held as Held;
    const together = waiting.filter(({ held }) => held?.epid === epid && held.turn === turn);
    const groups = together.map(({ held }) => (held as Held).groups);
    this.#print((together[0] as Voice).held?.record ?? record, together, groups);
    this.#printed.set(epid, turn);
    for (const voice of together) voice.held = undefined;
    return true;
  }

  #isOverdue({ held, heldSince }: Voice): boolean {
    if (held === undefined || (this.#last.has(held.epid) && !this.#stopping)) return false;
    return hostNow() >= heldSince + GRACE_MS;
  }

  /** A record after its snapshots, merged from those of the VMs that speak now and what is known of the others. */
  #print(record: Uint8Array<ArrayBuffer>, speaking: readonly Voice[], groups: readonly (readonly SnapshotGroup[])[]): void {
    const others = this.#voices.filter((voice) => !speaking.includes(voice));
    (groups[0] as readonly SnapshotGroup[]).forEach((group, i) => {
      const aggregation = this.#aggregations.get(group.id);
      if (aggregation === undefined) return;
      const said = groups.map((own) => own[i]).filter((own) => own?.id === group.id);
      const known = others.map((voice) => voice.latest.get(group.id));
      this.#output?.records(
        mergeGroups(
          aggregation,
          [...said, ...known].filter((one) => one !== undefined),
        ),
      );
    });
    this.#output?.records(record);
  }

  /** Somebody may have to be passed over, or nobody have spoken in time. */
  #later(): void {
    if (this.#output?.isFull) return;
    const overdue = this.#voices.some((voice) => voice.held !== undefined);
    if (overdue || this.#temporal) this.#timer = setTimeout(this.run, overdue ? GRACE_MS / 10 : TRANSIT_MS);
  }

  #finish(): void {
    this.#done = true;
    clearTimeout(this.#timer);
    const merged: Uint8Array<ArrayBuffer>[] = [];
    for (const [id, aggregation] of this.#aggregations) {
      const groups = this.#voices.map((voice) => voice.latest.get(id)).filter((group) => group !== undefined);
      if (groups.length > 0) merged.push(mergeGroups(aggregation, groups));
    }
    this.#output?.ended(
      merged,
      this.#voices.map((voice) => voice.end as VoiceEnd),
    );
  }
}
