/**
 * Segment registers, far transfers and limits against the model of test/cpu/model/segments.ts: a sample of the descriptors and offsets;
 * test/slow/segment-table.test.ts has all.
 */
import { test } from 'uvu';
import { testSegments } from './model/segment-tests.ts';

testSegments(29);
test.run();
