/** The whole of test/cpu/segment-table.test.ts: every descriptor, level, selector and offset; reduced: another sample. */
import { test } from 'uvu';
import { testSegments } from '../cpu/model/segment-tests.ts';
import { FULL } from './reference.ts';

testSegments(FULL ? 1 : 13);
test.run();
