import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EscapeFilter } from '../../vmm/cli/escape.ts';
import { parseCount, parseDuration, parseEpoch, parseLimits, parsePort, parseSeed, UsageError } from '../../vmm/cli/options.ts';

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    assert.instance(error, UsageError);
    assert.not.match((error as Error).message, /\n/);
    return (error as Error).message;
  }
  return 'accepted';
}

test('limits are read with their units', () => {
  assert.equal(parseLimits('insns=1.5M'), { insns: 1_500_000 });
  assert.equal(parseLimits('time=2,wall=500ms'), { timeNs: 2e9, wallMs: 500 });
  assert.is(parseCount('x', '588M'), 588e6);
  assert.is(parseDuration('x', '20us'), 20_000);
});

test('bad values are refused in one line that names the option', () => {
  assert.match(
    refusal(() => parseLimits('cycles=3')),
    /--limit cycles=3: unknown/,
  );
  assert.match(
    refusal(() => parseLimits('insns')),
    /--limit insns/,
  );
  assert.match(
    refusal(() => parseLimits('insns=0')),
    /more than 0/,
  );
  assert.match(
    refusal(() => parseLimits('time=soon')),
    /--limit time soon: not a time/,
  );
  assert.match(
    refusal(() => parsePort('--debug-exit', '0x10000')),
    /--debug-exit 0x10000: not a port/,
  );
  assert.match(
    refusal(() => parsePort('--debug-exit', '')),
    /not a port/,
  );
  assert.match(
    refusal(() => parseEpoch('--rtc', 'yesterday')),
    /--rtc yesterday/,
  );
  assert.match(
    refusal(() => parseSeed('--seed', '-1')),
    /--seed -1/,
  );
});

test('ports, dates and seeds are read', () => {
  assert.is(parsePort('--debug-exit', '0xf4'), 0xf4);
  assert.is(parsePort('--debug-exit', '244'), 244);
  assert.is(parseEpoch('--rtc', '1970-01-02T00:00:00Z'), 86400);
  assert.is(parseEpoch('--rtc', '86400'), 86400);
  assert.is(parseSeed('--seed', '0x2a'), 42);
});

const keys = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

test('the escape key is taken out of the keyboard, also between two reads', () => {
  const filter = new EscapeFilter();
  assert.equal(filter.feed(keys('ls\r\x03')), { guest: keys('ls\r\x03'), commands: [] });
  assert.equal(filter.feed(keys('a\x01')), { guest: keys('a'), commands: [] });
  assert.equal(filter.feed(keys('xb')), { guest: keys('b'), commands: ['quit'] });
  assert.equal(filter.feed(keys('\x01a\x01\x01')), { guest: keys('\x01\x01'), commands: [] });
  assert.equal(filter.feed(keys('\x01h\x01z')), { guest: keys(''), commands: ['help', 'unknown'] });
});

test.run();
