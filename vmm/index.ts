/**
 * Lucid's API for programs: virtual machines in the shape of KVM.
 *
 * A guest of three instructions, from nothing:
 *
 * ```ts
 * import { Vm } from 'lucidvm';
 *
 * const vm = await Vm.create({ memory: '1M' });
 * const vcpu = vm.createVcpu(0);
 * vm.ram.write(0x1000, Uint8Array.of(0xb0, 0x2a, 0xe6, 0x10, 0xf4)); // mov al, 42; out 0x10, al; hlt
 * const { cs } = vcpu.getSregs();
 * vcpu.setSregs({ cs: { ...cs, selector: 0, base: 0n } });
 * vcpu.setRegs({ rip: 0x1000n });
 * for (let running = true; running; ) {
 *   const exit = vcpu.run();
 *   switch (exit.reason) {
 *     case 'io':
 *       console.log(`port ${exit.port} <- ${exit.data}`);
 *       break;
 *     case 'hlt':
 *       running = false;
 *       break;
 *     default:
 *       throw new Error(exit.reason);
 *   }
 * }
 * ```
 *
 * @module
 */
export type {
  AccessSize,
  Clock,
  Deadline,
  DeviceState,
  GuestMemory,
  IrqLine,
  MmioBus,
  MmioDevice,
  PortBus,
  PortDevice,
  Saveable,
} from './bus.ts';
export { StateError } from './bus.ts';
export { CoreError } from './cpu/core.ts';
export { CORE_FEATURES, CPU_MODELS, type CpuModel, defaultCpuid, type Feature, modelFeatures } from './cpu/cpuid.ts';
export type {
  CpuidEntry,
  DebugRegisters,
  DescriptorTable,
  FpuState,
  Registers,
  Segment,
  SpecialRegisters,
  VcpuEvents,
} from './cpu/registers.ts';
export { type RunExit, type RunExitReason, Vcpu } from './cpu/vcpu.ts';
export { deathReport } from './death-report.ts';
export { DEFAULT_EXIT_COSTS, ExitCostError, type ExitCosts, exitCostsFrom, loadExitCosts, NO_EXIT_COSTS } from './exit-cost.ts';
export { EXIT_REASON, exitReasonName } from './exit-reason.ts';
export { type Irqchip, type Route, standardRoutes } from './interrupts.ts';
export { type GuestFiles, Machine, type MachineOptions, type Outside, type RunLimits } from './machine.ts';
export { GuestRam, type MemorySlot, MemorySizeError, parseMemorySize, standardSlots } from './memory.ts';
export { type ExitRow, type Outcome, reportOf, type VmReport } from './report.ts';
export { InterceptError, type Intercepts, parseIntercepts } from './intercepts.ts';
export { type SavedVm, Vm, type VmOptions } from './vm.ts';
