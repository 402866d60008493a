/**
 * Says so when Node.js is too old, instead of failing at the first function that it lacks. A command's first file imports this one first.
 *
 * @module
 */
import { basename } from 'node:path';

/** As `engines` of package.json has it. */
const MINIMUM = 24;

if (Number.parseInt(process.versions.node, 10) < MINIMUM) {
  const command = basename(process.argv[1] ?? 'lucid').replace(/\.[jt]s$/, '');
  process.stderr.write(
    `${command}: needs Node.js ${MINIMUM} or later, and this is ${process.versions.node}; npm install --save-dev node@${MINIMUM} brings one that npx finds\n`,
  );
  process.exit(2);
}
