/**
 * The dtrace provider: BEGIN, END and ERROR, the tracer's own probes.
 *
 * BEGIN fires before every other probe of a program, END after them, once each in every VM, and neither has a vCPU: registers and guest memory fault
 * there. END comes right after the firing that called exit(), or when the tracing or the VM ends. ERROR fires after a clause that faulted: arg1 is its
 * enabling, arg2 the action, arg3 the offset, arg4 the kind of fault (FAULT of `arena.ts`), arg5 the address; a fault in ERROR itself is a drop.
 *
 * @module
 */
import { attributes } from './attributes.ts';
import type { Provider } from './provider.ts';

const stable = attributes('Stable', 'Stable', 'Common');
const hidden = attributes('Private', 'Private', 'Unknown');

const probe = (name: string) => ({ provider: 'dtrace', module: '', func: '', name, args: [] });

export const dtraceProvider: Provider = {
  name: 'dtrace',
  attributes: { provider: stable, module: hidden, func: hidden, name: stable, args: stable },
  probes: [probe('BEGIN'), probe('END'), probe('ERROR')],
};
