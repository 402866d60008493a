/** The whole of test/cpu/paging-table.test.ts: every combination of rights under every setting of the controls; reduced: a third as many again. */
import { test } from 'uvu';
import { testPaging } from '../cpu/model/paging-tests.ts';
import { FULL } from './reference.ts';

testPaging({ structures: ['32-bit', 'PAE', '4-level', '5-level'], step: FULL ? 1 : 61, randomCases: FULL ? 4000 : 80 });
test.run();
