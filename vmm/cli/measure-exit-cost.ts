/**
 * `lucid measure-exit-cost`: measures what VM exits cost on this host, with a small guest under QEMU and KVM, and writes a table of it.
 *
 * @module
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Argv, CommandModule } from 'yargs';
import { type MeasuredWhere, MeasurementError, measuredTable, parseMeasurement } from '../exit-cost/measured.ts';
import { ReadTextError, readText } from '../exit-cost/read-text.ts';
import { systemErrorText } from '../system-error.ts';
import { checkArguments, UsageError } from './options.ts';

const GUEST = new URL('../../images/exit-cost/guest.elf', import.meta.url);
const ACCELERATORS = ['kvm', 'tcg'] as const;
type Accelerator = (typeof ACCELERATORS)[number];
/** A guest that takes longer is stuck: it needs a few seconds. */
const TIME_MAX_MS = 120_000;
const OUTPUT_MAX = 1 << 20;
const VULNERABILITIES = '/sys/devices/system/cpu/vulnerabilities';

interface MeasureArguments {
  qemu: string;
  accel: Accelerator;
  cpu?: string;
  from?: string;
  out?: string;
  date?: string;
}

/** Says what is missing when there is no KVM to measure. Throws UsageError. */
function checkKvm(): void {
  if (!existsSync('/dev/kvm'))
    throw new UsageError(
      '--accel kvm: there is no /dev/kvm: load kvm_intel or kvm_amd, switch virtualization on in the firmware, or take a host that is no VM or container without it; --accel tcg tries the mechanics and measures no hardware',
    );
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    throw new UsageError('--accel kvm: no permission for /dev/kvm; become a member of its group (usually kvm)');
  }
}

function qemuVersion(qemu: string): string {
  const { error, stdout } = spawnSync(qemu, ['--version'], { encoding: 'utf8', timeout: TIME_MAX_MS });
  if (error !== undefined)
    throw new UsageError(
      `--qemu ${qemu}: ${systemErrorText(error)}; Debian has it in qemu-system-x86; or run the guest elsewhere and give its console by --from`,
    );
  return /version (\d[\w.]*)/.exec(stdout)?.[1] ?? 'of an unknown version';
}

/** RAM is a memfd: its pages are small, so that each first touch is an exit. Its console is standard output. */
function qemuArguments(accel: Accelerator, cpu: string): string[] {
  return [
    ...['-nodefaults', '-no-user-config', '-accel', accel, '-cpu', cpu, '-smp', '1', '-m', '128M'],
    ...['-object', 'memory-backend-memfd,id=ram,size=128M', '-machine', 'pc,memory-backend=ram'],
    ...['-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot', '-device', 'isa-debug-exit,iobase=0xf4,iosize=1'],
    ...['-kernel', fileURLToPath(GUEST), '-append', 'vm'],
  ];
}

/** What the guest says on its console. Throws UsageError. */
function runQemu(qemu: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(qemu, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { out: '', err: '' };
    const timer = setTimeout(() => child.kill('SIGKILL'), TIME_MAX_MS);
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      if (output.out.length < OUTPUT_MAX) output.out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (output.err.length < OUTPUT_MAX) output.err += text;
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new UsageError(`--qemu ${qemu}: ${systemErrorText(error)}`));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const last = output.err.trim().split('\n').at(-1) ?? '';
      if (output.out.includes('exit-cost end')) resolve(output.out);
      else if (signal === 'SIGKILL') reject(new UsageError(`--qemu ${qemu}: the guest did not come to its end in ${TIME_MAX_MS / 1000} s`));
      else reject(new UsageError(`--qemu ${qemu}: ended with status ${code} before the guest did${last === '' ? '' : `: ${last}`}`));
    });
  });
}

/** `spectre_v2: Enhanced IBRS; meltdown: Not affected`, without what does not concern this processor. */
export function mitigationsText(folder = VULNERABILITIES): string | undefined {
  let names: string[];
  try {
    names = readdirSync(folder).sort();
  } catch {
    return undefined;
  }
  const told = names.flatMap((name) => {
    const text = readFileSync(`${folder}/${name}`, 'utf8').trim();
    return text === 'Not affected' ? [] : [`${name}: ${text.replace(/^Mitigation: /, '')}`];
  });
  const text = told.length === 0 ? 'none needed' : told.join('; ');
  return text.length > 1000 ? `${text.slice(0, 997)}...` : text;
}

async function measure({ qemu, accel, cpu, from, date }: MeasureArguments): Promise<Record<string, unknown>> {
  let text: string;
  let where: MeasuredWhere = date === undefined ? {} : { date };
  if (from !== undefined) {
    try {
      text = readText(from);
    } catch (error) {
      if (!(error instanceof ReadTextError)) throw error;
      throw new UsageError(`--from ${from}: ${error.message}`);
    }
  } else {
    if (accel === 'kvm') checkKvm();
    const version = qemuVersion(qemu);
    const mitigations = mitigationsText();
    where = {
      ...where,
      hypervisor: `QEMU ${version}, ${accel.toUpperCase()}`,
      kernel: `Linux ${release()}`,
      ...(mitigations && { mitigations }),
    };
    text = await runQemu(qemu, qemuArguments(accel, cpu ?? (accel === 'kvm' ? 'host,migratable=off' : 'max')));
  }
  try {
    return measuredTable(parseMeasurement(text), where);
  } catch (error) {
    if (error instanceof MeasurementError)
      throw new UsageError(`${from === undefined ? `--qemu ${qemu}` : `--from ${from}`}: ${error.message}`);
    throw error;
  }
}

export function measureExitCostCommand(): CommandModule<object, MeasureArguments> {
  return {
    command: 'measure-exit-cost',
    describe: 'measure what VM exits cost on this host (QEMU and KVM), for lucid exits --cost',
    builder: (yargs) =>
      yargs
        .option('out', { type: 'string', requiresArg: true, describe: 'write the table to this file (else to standard output)' })
        .option('qemu', { type: 'string', default: 'qemu-system-x86_64', requiresArg: true, describe: 'the QEMU to run' })
        .option('accel', {
          choices: ACCELERATORS,
          default: 'kvm' as const,
          requiresArg: true,
          describe: 'kvm; or tcg, which tries the mechanics: the table says that it is of no hardware',
        })
        .option('cpu', { type: 'string', requiresArg: true, describe: "QEMU's -cpu (with KVM: host,migratable=off)" })
        .option('from', {
          type: 'string',
          requiresArg: true,
          describe: 'the console of images/exit-cost/guest.elf, which ran elsewhere, instead of running it',
        })
        .option('date', { type: 'string', requiresArg: true, describe: 'what the table says of when it was measured' })
        .epilogue(
          'Pin it to a quiet processor: taskset -c 3 lucid measure-exit-cost. Exit status: 0 measured, 2 a bad option, file or host.',
        )
        .example('$0 measure-exit-cost --out here.json', 'then: lucid exits LOG --cost here.json')
        .check(checkArguments, true) as Argv<MeasureArguments>,
    handler: async (args) => {
      const table = await measure(args);
      const text = `${JSON.stringify(table, undefined, 2)}\n`;
      if (args.out === undefined) {
        process.stdout.write(text);
        return;
      }
      try {
        writeFileSync(args.out, text);
      } catch (error) {
        throw new UsageError(`--out ${args.out}: ${systemErrorText(error)}`);
      }
      process.stderr.write(`lucid: ${args.out}: ${table['processor']}${table['hardware'] === false ? ', of no hardware' : ''}\n`);
    },
  };
}
