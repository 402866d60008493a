/**
 * Every combination of paging-structure entries and controls against the model of test/cpu/model/paging.ts. Here every control with a sample of
 * the rights and random entries; test/slow/paging-table.test.ts has them all.
 */
import { test } from 'uvu';
import { testPaging } from './model/paging-tests.ts';

testPaging({ structures: ['32-bit', 'PAE', '4-level', '5-level'], step: 97, randomCases: 60 });
test.run();
