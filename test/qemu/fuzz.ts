/**
 * `npm run fuzz:qemu`: generated privileged sequences in QEMU and in this project's machine, compared.
 *
 * @module
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { Session } from './session.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    kind: { type: 'string', multiple: true },
    show: { type: 'string', default: '3' },
    help: { type: 'boolean', default: false },
  },
});

const USAGE = `usage: npm run fuzz:qemu -- [--cases N] [--seed S] [--kind NAME ...] [--show N]

Runs N generated cases (default 20000) of seed S (default 1) in QEMU and here, and compares. --kind takes only cases of these kinds;
--show prints at most that many cases of each difference (default 3).
`;

if (values.help) process.stdout.write(USAGE);
else {
  const session = Session.open();
  if ('reason' in session) {
    process.stdout.write(`skipped: ${session.reason}\n`);
  } else {
    try {
      const report = await session.compare(Number(values.seed), Number(values.cases), values.kind);
      process.stdout.write(report.text(Number(values.show)));
      process.exitCode = report.outstanding === 0 ? 0 : 1;
    } finally {
      session.close();
    }
  }
}
