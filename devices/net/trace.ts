/**
 * The frames of a NIC as they are traced: the vnic provider.
 *
 * tx fires when a frame leaves the guest, rx when one enters its memory, drop when one goes nowhere, with the reason: `ierrors` and `oerrors` (malformed, or no
 * buffers of the guest's hold it) or the protection that it broke. A frame that the guest leaves to be segmented is one frame, as it is on the
 * host's side of the ring. `ethertype` stands at offset 12, so that of a tagged frame is 8100h. Before the driver negotiates, nothing is received and nothing fires.
 *
 * @module
 */
import { DEVICE_PROBE, type DeviceProbeNumber, FRAME_CAPTURED, fireWith, wanted } from '../../probes/points.ts';
import { FRAMEINFO, NICINFO, StructureBytes } from '../../probes/structures.ts';

const SOURCE = 6;
const ETHERTYPE = 12;
const HEADER = 14;

export class NicTrace {
  readonly #about = new StructureBytes([FRAMEINFO, NICINFO]);
  #frames = 0;

  constructor(instance: number, name: string, mac: Uint8Array) {
    this.#about.number('instance', instance);
    this.#about.text('name', name);
    this.#about.text('mac', macText(mac, 0));
  }

  tx(frame: Uint8Array): void {
    if (wanted(DEVICE_PROBE.VNIC_TX)) this.#fire(DEVICE_PROBE.VNIC_TX, frame, '');
  }

  rx(frame: Uint8Array): void {
    if (wanted(DEVICE_PROBE.VNIC_RX)) this.#fire(DEVICE_PROBE.VNIC_RX, frame, '');
  }

  /** A frame that is too short to be one has no addresses. */
  drop(frame: Uint8Array, reason: string): void {
    if (wanted(DEVICE_PROBE.VNIC_DROP)) this.#fire(DEVICE_PROBE.VNIC_DROP, frame, reason);
  }

  #fire(probe: DeviceProbeNumber, frame: Uint8Array, reason: string): void {
    const about = this.#about;
    const whole = frame.length >= HEADER;
    about.number('length', frame.length);
    about.number('captured', Math.min(frame.length, FRAME_CAPTURED));
    about.number('ethertype', whole ? ((frame[ETHERTYPE] as number) << 8) | (frame[ETHERTYPE + 1] as number) : 0);
    about.text('destination', whole ? macText(frame, 0) : '');
    about.text('source', whole ? macText(frame, SOURCE) : '');
    about.text('reason', reason);
    fireWith(probe, ++this.#frames, about.bytes, frame);
  }
}

/** `52:54:00:12:34:56`. */
function macText(bytes: Uint8Array, at: number): string {
  return Array.from(bytes.subarray(at, at + 6), (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
