/** A tracer and the VM that it traces, over a socket: what is said arrives in order, slow readers are waited for, and each may go away. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ProgramDescriptor } from '../../../probes/program.ts';
import { type Enabled, encode, READING, TRACE_SERVICE } from '../../../probes/session/messages.ts';
import type { ProgramEvents } from '../../../probes/session/program.ts';
import { traceRemote } from '../../../probes/session/remote.ts';
import { TRACE_VERSION, type TraceRequest } from '../../../probes/session/request.ts';
import { TraceError } from '../../../probes/session/trace-error.ts';
import { claimVm, type VmClaim } from '../../../vmm/runtime-directory.ts';
import type { Channel, ChannelEvents } from '../../../vmm/vm-socket.ts';
import { connectVm } from '../../../vmm/vm-socket-client.ts';
import { VmServer } from '../../../vmm/vm-socket-server.ts';

const directory = mkdtempSync(join(tmpdir(), 'lucid-tr-'));
let claim: VmClaim;
let server: VmServer;
/** What the service does with the next tracer. */
let serve: (channel: Channel, request: unknown) => ChannelEvents = () => ({});

const test = suite('a traced VM, over its socket');
test.before(async () => {
  claim = claimVm(directory);
  server = await VmServer.open(
    claim.socket,
    { vmid: claim.vmid, pid: process.pid, name: 'box', vcpus: 1 },
    { [TRACE_SERVICE]: (channel, request) => serve(channel, request) },
  );
});
test.after(() => {
  server.close();
  claim.release();
  rmSync(directory, { recursive: true });
});

const REQUEST: TraceRequest = {
  version: TRACE_VERSION,
  sources: [{ form: 'name', name: 'BEGIN', text: 'BEGIN' }],
  options: {},
  macroArguments: [],
  macros: {},
  defines: [],
  undefines: [],
  includes: [],
  libraries: [],
  preprocess: false,
  zdefs: false,
  destructive: false,
  wait: false,
  files: {},
  directories: {},
};

const DESCRIPTOR: ProgramDescriptor = {
  epids: [undefined],
  aggregations: [],
  options: { quiet: 1 },
  destructive: false,
  memory: {} as ProgramDescriptor['memory'],
};
const ENABLED: Enabled = { descriptor: DESCRIPTOR, matched: [2], notes: ['buffer size lowered to 4k'] };

class Heard implements ProgramEvents {
  readonly log: string[] = [];
  bytes = 0;
  full = false;

  records({ bytes }: { readonly bytes: Uint8Array }): boolean {
    this.bytes += bytes.length;
    this.log.push(`records ${bytes.length}`);
    return !this.full;
  }

  drops(counts: readonly { readonly kind: string; readonly count: number }[]): void {
    this.log.push(`drops ${counts.map(({ kind, count }) => `${count} ${kind}`)}`);
  }

  aggregations(flags: number, records: Uint8Array): boolean {
    this.log.push(`aggregations ${flags} ${records.length}`);
    return true;
  }

  ended({ exitStatus, lost }: { readonly exitStatus: number; readonly lost?: string }): void {
    this.log.push(`ended ${exitStatus} ${lost ?? ''}`);
  }
}

async function start(heard: Heard, notes: string[] = []) {
  return traceRemote(await connectVm(claim.socket), REQUEST, heard, (text) => notes.push(text));
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 12_000 && !condition(); i++) await setTimeout(5);
  assert.ok(condition());
}

test('what the VM says arrives, in order', async () => {
  const asked: string[] = [];
  serve = (channel, request) => {
    assert.equal((request as TraceRequest).sources, REQUEST.sources);
    channel.send(encode.enabled(ENABLED));
    channel.send(encode.records(new Uint8Array(24), 5));
    channel.send(encode.note('paused'));
    return {
      data(payload) {
        asked.push(payload.toString());
        if (asked.length < 2) return;
        channel.send(encode.drops([{ kind: 'PRINCIPAL', count: 3 }]));
        channel.send(encode.aggregations(READING.FIRST | READING.LAST, new Uint8Array(8)));
        channel.send(encode.ended({ exitStatus: 7 }));
      },
    };
  };
  const heard = new Heard();
  const notes: string[] = [];
  const program = await start(heard, notes);
  assert.equal(program.enabled, ENABLED);
  program.go();
  program.stop();
  await until(() => heard.log.at(-1)?.startsWith('ended') === true);
  assert.equal(heard.log, ['records 24', 'drops 3 PRINCIPAL', 'aggregations 3 8', 'ended 7 ']);
  assert.equal(asked, ['{"go":true}', '{"stop":true}']);
  assert.equal(notes, ['paused']);
});

test('a refusal is the reason; a service that refuses the request too', async () => {
  serve = (channel) => {
    channel.send(encode.refused({ text: 'invalid probe specifier x: syntax error' }));
    return {};
  };
  const refusal = async (): Promise<TraceError> => {
    const heard = new Heard();
    try {
      await start(heard);
    } catch (error) {
      assert.instance(error, TraceError);
      return error as TraceError;
    }
    throw new Error('not refused');
  };
  assert.is((await refusal()).message, 'invalid probe specifier x: syntax error');
  serve = () => {
    throw new Error('another version');
  };
  const error = await refusal();
  assert.is(error.message, 'another version');
  assert.not(error.gone);
});

test('a tracer whose output is full holds the VM back, and loses nothing', async () => {
  const PIECES = 400;
  const PIECE = 1 << 16;
  let sent = 0;
  serve = (channel) => {
    const go = (): void => {
      while (sent < PIECES) if (++sent && !channel.send(encode.records(new Uint8Array(PIECE), 0))) return;
      channel.send(encode.ended({ exitStatus: 0 }));
      sent = PIECES + 1;
    };
    channel.send(encode.enabled(ENABLED));
    setImmediate(go);
    return { drained: () => sent <= PIECES && go() };
  };
  const heard = new Heard();
  heard.full = true;
  const program = await start(heard);
  await until(() => heard.bytes > 0);
  await setTimeout(100);
  assert.ok(sent < PIECES, `${sent} sent while nothing was taken`);
  heard.full = false;
  program.resume();
  await until(() => heard.log.at(-1) === 'ended 0 ');
  assert.is(heard.bytes, PIECES * PIECE);
});

test('a VM that goes away without a word is lost, and what came is kept', async () => {
  let channelOf: Channel | undefined;
  serve = (channel) => {
    channelOf = channel;
    channel.send(encode.enabled(ENABLED));
    channel.send(encode.records(new Uint8Array(24), 0));
    return {};
  };
  const heard = new Heard();
  await start(heard);
  await until(() => heard.log.length === 1);
  channelOf?.close();
  await until(() => heard.log.length === 2);
  assert.equal(heard.log, ['records 24', 'ended 0 it went away']);
});

test('a tracer that hangs up is known to the VM at once', async () => {
  let closed = false;
  serve = (channel) => {
    channel.send(encode.enabled(ENABLED));
    return {
      closed() {
        closed = true;
      },
    };
  };
  const program = await start(new Heard());
  program.close();
  await until(() => closed);
});

test('nonsense from the VM ends the connection', async () => {
  serve = (channel) => {
    channel.send(encode.enabled(ENABLED));
    channel.send(Buffer.from([99]));
    return {};
  };
  const heard = new Heard();
  await start(heard);
  await until(() => heard.log.length === 1);
  assert.match(heard.log[0] as string, /ended 0 .*99/);
});

test.run();
