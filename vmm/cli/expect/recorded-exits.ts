/**
 * What the log of a guest's exits has to say, up to where the guest stands.
 *
 * @module
 */
import { readSync } from 'node:fs';
import { causeNamed } from '../../exit-log/cause-named.ts';
import { causeOf } from '../../exit-log/cause.ts';
import { EXIT_RECORD } from '../../cpu/layout.ts';
import { eventAt, type ExitEvent, timeAt } from '../../exit-log/describe.ts';
import { type Mark, Phases, ConsoleText } from '../../exit-log/marks.ts';
import { type ExitLogEnd, ExitLogReader } from '../../exit-log/reader.ts';
import type { Bytes } from '../../exit-log/source.ts';
import { Tally, type TallyKey, type TallyRow } from '../../exit-log/tally.ts';

/** A place in the run. */
export interface Moment {
  /** What was met there. */
  readonly mark?: Mark;
  /** The VM's clock. */
  readonly timeNs: number;
  /** Up to there, with the one that completes the mark. */
  readonly exits: number;
  readonly instructions: number;
  /** Bytes that a virtio console had been given. */
  readonly said?: number;
}

export interface ExitsOptions {
  /** `any`, a reason, or a cause as `lucid exits --by cause` names it; default: any. */
  readonly cause?: string;
  /** After this moment; default: from the start. */
  readonly from?: Moment;
  /** Up to this moment; default: to where the guest stands. */
  readonly to?: Moment;
  /** What `rows` counts by; default: cause. */
  readonly by?: TallyKey;
  /** How many of the first are given as `first`; default: 20. */
  readonly keep?: number;
}

export interface Exits {
  readonly count: number;
  /** Modelled. */
  readonly timeNs: number;
  readonly rows: readonly TallyRow[];
  readonly first: readonly ExitEvent[];
}

type Each = (view: DataView, at: number, chain: number) => boolean;
type Aside = (view: DataView, at: number) => boolean;

/** An open file from its beginning on, whatever else is done with it; it stays open. */
class Descriptor implements Bytes {
  readonly #fd: number;
  #position = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  read(into: Uint8Array, from: number): number {
    const got = readSync(this.#fd, into, from, into.length - from, this.#position);
    this.#position += got;
    return got;
  }

  close(): void {}
}

/** The log of a guest that stands, by its descriptor. */
export class RecordedExits {
  readonly #log: number;

  constructor(log: number) {
    this.#log = log;
  }

  /** Calls for each exit with the place of its record and how many records of its call chain follow, and for each mark and text. False ends the reading. */
  read(each: Each, aside?: Aside): ExitLogEnd {
    return new ExitLogReader(new Descriptor(this.#log)).read(each, aside);
  }

  /** All that the guest said. */
  get console(): string {
    const console = new ConsoleText();
    const pieces: string[] = [];
    const say = (): boolean => {
      if (console.said !== '') pieces.push(console.said);
      return true;
    };
    this.read(
      (view, at) => {
        console.take(view, at);
        return say();
      },
      (view, at) => {
        console.takeAside(view, at);
        return say();
      },
    );
    return Buffer.from(pieces.join(''), 'latin1').toString('utf8');
  }

  /** Where the run came to a mark first, or first after a moment; undefined: it has not. */
  find(mark: Mark, after: Moment | undefined): Moment | undefined {
    const phases = new Phases([mark], after);
    const passed = after?.exits ?? 0;
    const since = after?.timeNs ?? -1;
    let exits = 0;
    this.read(
      (view, at) => {
        if (++exits > passed) phases.take(view, at);
        else phases.console.take(view, at);
        return phases.met.length === 0;
      },
      (view, at) => {
        const isText = view.getUint8(at + EXIT_RECORD.REASON) === EXIT_RECORD.TEXT_REASON;
        if (isText || timeAt(view, at) > since) phases.takeAside(view, at);
        return phases.met.length === 0;
      },
    );
    const [met] = phases.met;
    return met && { ...met, exits };
  }

  /** Throws CauseError. */
  count({ cause = 'any', from, to, by = 'cause', keep = 20 }: ExitsOptions): Exits {
    const wanted = causeNamed(cause);
    const tally = new Tally(by);
    const first: ExitEvent[] = [];
    const [begin, end] = [from?.exits ?? 0, to?.exits ?? Number.POSITIVE_INFINITY];
    let [number, count, timeNs] = [0, 0, 0];
    this.read((view, at, chain) => {
      if (++number > end) return false;
      if (number <= begin) return true;
      if (wanted.reason !== undefined && view.getUint8(at + EXIT_RECORD.REASON) !== wanted.reason) return true;
      if (wanted.cause !== undefined && causeOf(view, at) !== wanted.cause) return true;
      count++;
      timeNs += view.getUint32(at + EXIT_RECORD.COST, true);
      tally.add(view, at, chain);
      if (first.length < keep) first.push(eventAt(view, at, chain));
      return true;
    });
    return { count, timeNs, rows: tally.rows(), first };
  }
}
