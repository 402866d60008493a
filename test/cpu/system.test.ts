/** Tests of the system instructions: segments, transfers, events, control registers (Intel SDM vol. 2 and vol. 3 chapters 2-9, 17, 21). */
import { test } from 'uvu';
import './system-segments.ts';
import './system-transfers.ts';
import './system-events.ts';
import './system-control.ts';
import './system-tasks.ts';

test.run();
