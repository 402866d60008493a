/** A 9P2000.L client for tests: requests as bytes to a server, answers as fields. */
import { FieldReader, FieldWriter, R_LERROR, T } from '../../devices/9p/messages.ts';

type Field = ['u8' | 'u16' | 'u32', number] | ['u64', number] | ['s', string] | ['b', Uint8Array];

export interface Qid {
  readonly type: number;
  readonly path: number;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

const writer = new FieldWriter();

export class Client {
  readonly send: (request: Uint8Array) => Uint8Array;

  constructor(send: (request: Uint8Array) => Uint8Array) {
    this.send = send;
  }

  /** The bytes of a request. */
  static request(type: number, fields: readonly Field[], tag = 1): Uint8Array {
    const w = writer;
    w.begin(1 << 17);
    for (const [kind, value] of fields) {
      if (kind === 's') w.string(Buffer.from(value, 'latin1'));
      else if (kind === 'b') w.space(value.length).set(value);
      else w[kind](value);
    }
    return w.end(type, tag).slice();
  }

  /** The fields of the answer; the error's number when it is one. */
  ask(type: number, ...fields: Field[]): FieldReader | number {
    const answer = new FieldReader(this.send(Client.request(type, fields)).slice());
    answer.u32();
    const kind = answer.u8();
    answer.u16();
    if (kind === R_LERROR) return answer.u32();
    if (kind !== type + 1) throw new Error(`answer ${kind} to ${type}`);
    return answer;
  }

  /** 0, or the error. */
  status(type: number, ...fields: Field[]): number {
    const answer = this.ask(type, ...fields);
    return typeof answer === 'number' ? answer : 0;
  }

  start(fid = 0): void {
    this.ask(T.version, ['u32', 65536], ['s', '9P2000.L']);
    this.ask(T.attach, ['u32', fid], ['u32', 0xffff_ffff], ['s', 'root'], ['s', ''], ['u32', 0]);
  }

  /** Qids of the names that were walked, or the error. */
  walk(fid: number, newFid: number, ...names: string[]): readonly Qid[] | number {
    const answer = this.ask(T.walk, ['u32', fid], ['u32', newFid], ['u16', names.length], ...names.map((n): Field => ['s', n]));
    if (typeof answer === 'number') return answer;
    return Array.from({ length: answer.u16() }, () => qid(answer));
  }

  open(fid: number, flags: number): number {
    return this.status(T.lopen, ['u32', fid], ['u32', flags]);
  }

  read(fid: number, offset: number, count: number): string | number {
    const answer = this.ask(T.read, ['u32', fid], ['u64', offset], ['u32', count]);
    return typeof answer === 'number' ? answer : text(answer.take(answer.u32()));
  }

  write(fid: number, offset: number, data: string): number {
    const bytes = Buffer.from(data, 'latin1');
    const answer = this.ask(T.write, ['u32', fid], ['u64', offset], ['u32', bytes.length], ['b', bytes]);
    return typeof answer === 'number' ? -answer : answer.u32();
  }

  clunk(fid: number): number {
    return this.status(T.clunk, ['u32', fid]);
  }

  /** All names of an open directory, `bytes` at a time. */
  names(fid: number, bytes = 4096): string[] | number {
    const found: string[] = [];
    for (let offset = 0; ; ) {
      const answer = this.ask(T.readdir, ['u32', fid], ['u64', offset], ['u32', bytes]);
      if (typeof answer === 'number') return answer;
      if (answer.u32() === 0) return found;
      while (answer.left > 0) {
        qid(answer);
        offset = answer.u64();
        answer.u8();
        found.push(text(answer.string()));
      }
    }
  }

  /** Reads a whole file by its path; the error when it cannot. */
  contents(...path: string[]): string | number {
    const walked = this.walk(0, 99, ...path);
    if (typeof walked === 'number') return walked;
    if (walked.length < path.length) return -1;
    const opened = this.open(99, 0);
    const data = opened === 0 ? this.read(99, 0, 60000) : opened;
    this.clunk(99);
    return data;
  }
}

function qid(r: FieldReader): Qid {
  const type = r.u8();
  r.u32();
  return { type, path: r.u64() };
}
