/** A dialogue with a guest, and what it costs: an example of lucidvm/expect with uvu. `node login.test.ts` where lucidvm and uvu are installed. */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, MarkMissedError } from 'lucidvm/expect';

const GUEST = { kernel: fileURLToPath(new URL('login.elf', import.meta.url)), memory: '4M', 'debug-exit': 0xf4, limit: 'time=1' };

test('root is welcome', async () => {
  await using guest = await boot(GUEST);
  await guest.until({ serial: 'login: ' });
  guest.type('root\n');
  await guest.until({ serial: 'welcome, root' });
});

test('an answer takes few exits, none of them reads of an empty queue', async () => {
  await using guest = await boot(GUEST);
  await guest.until({ serial: 'login: ' });
  guest.type('root\n');
  const asked = await guest.until({ serial: '# ' });
  const bytes = await guest.trace('kvm-pio /args[0] && args[1] == 0x3f8/ { @ = count(); }');
  guest.type('hello\n');
  const answered = await guest.until({ serial: '# ' });
  assert.is(bytes.aggregations.get('@')?.[0]?.value, 'you said hello\n# '.length);
  assert.is(guest.exits({ cause: 'IO_INSTRUCTION in 0x3fd', from: asked, to: answered }).count, 'hello\n'.length);
  guest.type('halt\n');
  assert.equal(await guest.run(), { kind: 'debug-exit', value: 0 });
});

test('nobody else is expected', async () => {
  await using guest = await boot(GUEST);
  await guest.until({ serial: 'login: ' });
  guest.type('nobody\n');
  try {
    await guest.until({ serial: 'welcome, root' }, { limit: 'time=0.01' });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, MarkMissedError);
    assert.equal((error as MarkMissedError).lastLines, ['login: ', 'welcome, nobody', '# ']);
  }
});

test.run();
