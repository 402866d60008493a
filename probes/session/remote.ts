/**
 * A program that runs in another process's VM, seen by its tracer: the client's end of the service `trace`.
 *
 * @module
 */
import type { Channel } from '../../vmm/vm-socket.ts';
import type { VmConnection } from '../../vmm/vm-socket-client.ts';
import { dispatch, type Enabled, type MessageEvents, TRACE_SERVICE } from './messages.ts';
import type { ProgramEvents, RunningProgram } from './program.ts';
import type { TraceRequest } from './request.ts';
import { TraceError } from './trace-error.ts';

class RemoteProgram implements RunningProgram {
  readonly enabled: Enabled;
  readonly #connection: VmConnection;
  readonly #channel: Channel;

  constructor(enabled: Enabled, connection: VmConnection, channel: Channel) {
    this.enabled = enabled;
    this.#connection = connection;
    this.#channel = channel;
  }

  /** Lets a VM run that waits for its tracer before its first instruction. */
  go(): void {
    this.#channel.send('{"go":true}');
  }

  stop(): void {
    this.#channel.send('{"stop":true}');
  }

  resume(): void {
    this.#connection.unhold();
  }

  close(): void {
    this.#channel.close();
    this.#connection.close();
  }
}

export type { RemoteProgram };

/** Enables a program in a VM. Throws TraceError when it refuses or goes away before. */
export function traceRemote(
  connection: VmConnection,
  request: TraceRequest,
  events: ProgramEvents,
  note: (text: string) => void,
): Promise<RemoteProgram> {
  return new Promise((resolve, reject) => {
    let ended = false;
    const hangUp = (): void => {
      channel.close();
      connection.close();
    };
    /** What says false wants no more for now. */
    const taken = (more: boolean): void => {
      if (!more) connection.hold();
    };
    const messages: MessageEvents = {
      enabled: (enabled) => resolve(new RemoteProgram(enabled, connection, channel)),
      refused({ text, ...more }) {
        ended = true;
        hangUp();
        reject(new TraceError(text, more));
      },
      records: (records) => taken(events.records(records)),
      drops: (counts) => events.drops(counts),
      aggregations: (flags, records) => taken(events.aggregations(flags, records)),
      ended(end) {
        ended = true;
        hangUp();
        events.ended(end);
      },
      note,
    };
    const channel = connection.open(TRACE_SERVICE, request, {
      data: (payload) => dispatch(payload, messages),
      closed(reason, gone) {
        if (ended) return;
        ended = true;
        const why = reason || 'it went away';
        const { name, pid } = connection.hello;
        reject(gone ? new TraceError(`lost sight of ${name} (pid ${pid}): ${why}`, { gone }) : new TraceError(why));
        events.ended({ exitStatus: 0, lost: why });
        connection.close();
      },
    });
  });
}
