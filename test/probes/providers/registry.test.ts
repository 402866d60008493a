/**
 * The registry of probes: numbers, matching, probes on demand, stability.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { POINTS } from '../../../probes/points.ts';
import { globMatches } from '../../../probes/providers/glob.ts';
import { profileKind } from '../../../probes/providers/profile.ts';
import { PROBE_ID, ProbeRegistry } from '../../../probes/providers/registry.ts';

const any = { provider: '', module: '', func: '', name: '' };
const names = (registry: ProbeRegistry, pattern: Partial<typeof any>): string[] =>
  registry.match({ ...any, ...pattern }).map((p) => p.name);

test('globs: any, one, sets, ranges, negation, quoting', () => {
  const cases: [glob: string, yes: string[], no: string[]][] = [
    ['*', ['', 'a', 'kvm-pio'], []],
    ['kvm-*', ['kvm-', 'kvm-cr'], ['kvm', 'xkvm-cr']],
    ['*-r*d', ['kvm-cr-read', '-rd'], ['kvm-cr-reads', 'rd']],
    ['*a*b*c', ['abc', 'xaxbxc', 'aabbcc', 'abcbc'], ['acb', 'ab', '']],
    ['k?m', ['kvm', 'k?m'], ['km', 'kvvm']],
    ['[abc]x', ['ax', 'cx'], ['dx', 'x']],
    ['[a-c]x', ['bx'], ['dx', '-x']],
    ['[!a-c]x', ['dx', '-x'], ['bx', 'x']],
    ['[a-]', ['a', '-'], ['b']],
    ['[]a]', [']', 'a'], ['b']],
    ['\\*', ['*'], ['a', '\\*']],
    ['[\\]]', [']'], ['\\']],
    ['[ab', [], ['a', '[ab']],
    ['a', ['a'], ['', 'aa']],
  ];
  for (const [glob, yes, no] of cases) {
    for (const text of yes) assert.ok(globMatches(glob, text), `${glob} takes '${text}'`);
    for (const text of no) assert.not.ok(globMatches(glob, text), `${glob} does not take '${text}'`);
  }
});

test('numbers: dtrace, the static points, the profile probes of the start', () => {
  const registry = new ProbeRegistry();
  assert.equal(
    [1, 2, 3].map((id) => registry.byId(id)?.name),
    ['BEGIN', 'END', 'ERROR'],
  );
  assert.equal(PROBE_ID, { BEGIN: 1, END: 2, ERROR: 3 });
  assert.equal(
    POINTS.map((_, i) => registry.byId(4 + i)?.name),
    POINTS.map((p) => p.name),
  );
  assert.equal(registry.byId(4 + POINTS.length)?.name, 'profile-97');
  assert.equal(
    registry.all().map((p) => p.id),
    registry.all().map((_, i) => i + 1),
  );
  assert.is(registry.byId(0), undefined);
  assert.equal(registry.match({ id: 99999 }), []);
});

test('io and vnic follow, with structures for arguments', () => {
  const registry = new ProbeRegistry();
  const described = registry.match({ ...any, provider: 'io' }).map((p) => `${p.provider}:${p.module}:${p.func}:${p.name}`);
  assert.equal(described, ['io::blk:start', 'io::blk:done']);
  assert.equal(names(registry, { provider: 'vnic' }), ['tx', 'rx', 'drop']);
  assert.equal(names(registry, { provider: 'io', module: 'genunix', name: 'start' }), ['start'], 'as scripts for illumos name them');
  const types = registry.match({ ...any, provider: 'io', name: 'done' })[0]?.args.map(({ type }) => type);
  assert.equal(types, ['bufinfo_t *', 'devinfo_t *', 'fileinfo_t *']);
});

test('a description matches by component', () => {
  const registry = new ProbeRegistry();
  assert.equal(names(registry, { provider: 'dtrace' }), ['BEGIN', 'END', 'ERROR']);
  assert.equal(names(registry, { func: 'handle_cr' }), ['kvm-cr', 'kvm-cr-read', 'kvm-cr-write']);
  assert.is(names(registry, { provider: 'sdt', module: 'kvm', name: 'kvm-*' }).length, POINTS.length);
  assert.equal(names(registry, { module: 'unix' }), []);
  assert.is(names(registry, {}).length, registry.all().length);
});

test('inject_irq is kvm-inj-virq', () => {
  const registry = new ProbeRegistry();
  assert.equal(names(registry, { name: 'inject_irq' }), ['kvm-inj-virq']);
  assert.equal(names(registry, { name: '*inj*' }), ['kvm-inj-virq', 'kvm-inj-exception']);
});

test('profile and tick probes come into being when they are asked for', () => {
  const registry = new ProbeRegistry();
  const before = registry.all().length;
  const [tick] = registry.match({ ...any, name: 'tick-3sec' });
  assert.equal(tick, { id: before + 1, provider: 'profile', module: '', func: '', name: 'tick-3sec', args: [] });
  assert.is(registry.match({ ...any, provider: 'profile', name: 'tick-3sec' })[0], tick);
  assert.is(registry.match({ ...any, name: 'profile-997' })[0]?.id, 4 + POINTS.length + 3);
  assert.equal(names(registry, { provider: 'sdt', name: 'tick-7' }), []);
  assert.equal(names(registry, { name: 'tick-*' }).length, 7);
  assert.is(registry.all().length, before + 1);
});

test('rates and intervals of profile probes', () => {
  const cases: Record<string, [string, number] | undefined> = {
    'profile-997': ['profile', 1003009],
    'profile-97hz': ['profile', 10309278],
    'tick-1ms': ['tick', 1e6],
    'tick-1MSEC': ['tick', 1e6],
    'tick-200us': ['tick', 200_000],
    'tick-200000nsec': ['tick', 200_000],
    'tick-5000': ['tick', 200_000],
    'tick-2m': ['tick', 120e9],
    'tick-1day': ['tick', 86400e9],
    'tick-1h': ['tick', 3600e9],
    'tick-199us': undefined,
    'tick-5001': undefined,
    'tick-0': undefined,
    'tick-1week': undefined,
    'tick-': undefined,
    'tick-ms': undefined,
    'Tick-1': undefined,
    'profile-1.5': undefined,
    'tick-99999999999999999999s': undefined,
  };
  for (const [name, want] of Object.entries(cases)) {
    const kind = profileKind(name);
    assert.equal(kind === undefined ? undefined : [kind.kind, kind.interval], want, name);
  }
});

test('no more than a thousand of them', () => {
  const registry = new ProbeRegistry();
  for (let i = 0; i < 1100; i++) registry.match({ ...any, name: `tick-${300 + i}us` });
  assert.is(names(registry, { provider: 'profile' }).length, 1000);
  assert.equal(names(registry, { name: 'tick-90s' }), []);
});

test('stability is that of the least stable component', () => {
  const registry = new ProbeRegistry();
  const of = (name: string): string[] => {
    const [probe] = registry.match({ ...any, name });
    if (probe === undefined) throw new Error(name);
    const { probe: description, args } = registry.attributesOf(probe);
    return [description, args].map((a) => `${a.name}/${a.data}/${a.class}`);
  };
  assert.equal(of('BEGIN'), ['Stable/Stable/Common', 'Stable/Stable/Common']);
  assert.equal(of('tick-1'), ['Evolving/Evolving/Common', 'Evolving/Evolving/Common']);
  assert.equal(of('kvm-pio'), ['Private/Private/Unknown', 'Private/Private/ISA']);
});

test.run();
