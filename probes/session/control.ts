/**
 * The service `control` of a VM's socket: pausing a VM and letting it go on.
 *
 * A channel is opened with one JSON object, `{ "action": "pause" | "resume" | "state" }`; the answer is one too: `{ "paused": why or null }`, as it was before.
 *
 * @module
 */
import { ASK } from '../arena.ts';
import type { VmService } from '../../vmm/vm-socket-server.ts';
import type { VmTraceHost } from './vm-host.ts';

export const CONTROL_SERVICE = 'control';

export interface ControlAnswer {
  /** Why it was standing still; null when it was not. */
  readonly paused: 'request' | 'stop()' | 'breakpoint()' | null;
}

function state(host: VmTraceHost): ControlAnswer {
  const { pause } = host;
  if (pause === undefined) return { paused: null };
  return { paused: pause.what & ASK.MONITOR ? 'breakpoint()' : pause.what & ASK.PAUSE ? 'stop()' : 'request' };
}

/** To be registered at the VM's server. */
export function controlService(host: VmTraceHost): VmService {
  return (channel, request) => {
    const { action } = (request ?? {}) as { action?: unknown };
    if (action !== 'pause' && action !== 'resume' && action !== 'state') throw new Error('not an action');
    const before = state(host);
    if (action === 'pause') host.hold();
    if (action === 'resume') host.resume();
    channel.send(JSON.stringify(before));
    return {};
  };
}
