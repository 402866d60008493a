import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Checked } from '../../../vmm/cli/expect/check-files.ts';
import { junitXml } from '../../../vmm/cli/expect/junit.ts';
import type { Verdict } from '../../../vmm/cli/expect/judge.ts';
import type { ExpectReport } from '../../../vmm/cli/expect/report.ts';

/** What Jenkins' junit-10.xsd allows of each element: its attributes (`!`: required), and the elements in it. */
const SCHEMA: Readonly<Record<string, { readonly attributes: string; readonly inside: string }>> = {
  testsuites: { attributes: 'name time tests failures errors', inside: 'testsuite' },
  testsuite: {
    attributes: 'name! tests! failures! errors! group time skipped timestamp hostname id package file log url',
    inside: 'testsuite properties testcase system-out system-err',
  },
  testcase: { attributes: 'name! time classname group', inside: 'skipped error failure system-out system-err' },
  failure: { attributes: 'type message', inside: '' },
  error: { attributes: 'type message', inside: '' },
};

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly inside: Element[];
  text: string;
}

const plain = (text: string): string =>
  text.replaceAll(
    /&(#10|#9|lt|gt|quot|amp);/g,
    (_, name) => ({ '#10': '\n', '#9': '\t', lt: '<', gt: '>', quot: '"', amp: '&' })[name as string] ?? '',
  );

/** Reads XML of this form, and refuses what is not well formed or not in the schema. */
function parse(xml: string): Element {
  const [, body = ''] = /^<\?xml version="1\.0" encoding="UTF-8"\?>\n([\s\S]*)$/.exec(xml) ?? [];
  assert.not.match(xml, /[\u0000-\u0008\u000b-\u001f\ufffe\uffff]/);
  const top: Element = { name: '', attributes: {}, inside: [], text: '' };
  const open = [top];
  for (const [, text = '', tag = ''] of body.matchAll(/([^<]*)<([^>]*)>/g)) {
    const parent = open.at(-1) as Element;
    assert.not.match(text, /&(?!(#10|#9|lt|gt|quot|amp);)/);
    parent.text += plain(text);
    const [, end = '', name = '', rest = '', alone = ''] =
      /^(\/?)([a-z-]+)((?: [a-z]+="[^"]*")*)(\/?)$/.exec(tag) ?? assert.unreachable(tag) ?? [];
    if (end === '/') {
      assert.is(open.pop()?.name, name);
      continue;
    }
    const attributes = Object.fromEntries(
      [...rest.matchAll(/ ([a-z]+)="([^"]*)"/g)].map(([, key, value]) => [key, plain(value as string)]),
    );
    const element: Element = { name, attributes, inside: [], text: '' };
    checkElement(element, parent);
    parent.inside.push(element);
    if (alone === '') open.push(element);
  }
  assert.is(open.length, 1);
  return top.inside[0] as Element;
}

function checkElement({ name, attributes }: Element, parent: Element): void {
  const rule = SCHEMA[name] ?? assert.unreachable(`an element ${name}`);
  if (rule === undefined) return;
  if (parent.name !== '') assert.ok(SCHEMA[parent.name]?.inside.split(' ').includes(name), `${name} in ${parent.name}`);
  const known = rule.attributes.split(' ');
  for (const key of Object.keys(attributes))
    assert.ok(
      known.some((one) => one.replace('!', '') === key),
      `${name} ${key}=`,
    );
  for (const one of known) if (one.endsWith('!')) assert.ok(Object.hasOwn(attributes, one.slice(0, -1)), `${name} lacks ${one}`);
}

const REPORT: ExpectReport = {
  file: 'a/boot.yaml',
  guest: 'guest.elf',
  ok: false,
  exitStatus: 1,
  outcome: { kind: 'power-off' },
  instructions: 10,
  time: 10,
  exits: 1,
  exitHash: '00',
  marks: [],
  expectations: [],
  phases: [],
};

function junit(...reports: Partial<ExpectReport>[]): Element {
  return parse(junitXml(reports.map((one): Checked => ({ file: one.file ?? REPORT.file, report: { ...REPORT, ...one } }))));
}

test('a report is as Jenkins and GitLab read it: suites, cases, counts, places in the text', () => {
  const met: Verdict = { kind: 'exits', name: 'few exits', line: 3, met: true, found: '1 exits' };
  const broken: Verdict = { kind: 'exits', name: 'few exits', line: 9, met: false, found: '7 exits', details: ['more'] };
  const all = junit(
    { expectations: [met, broken] },
    { file: 'b.yml', exitStatus: 6, outcome: { kind: 'died', why: 'triple fault' }, death: 'rip 0' },
  );
  assert.equal(all.attributes, { tests: '4', failures: '1', errors: '1' });
  const [first, second] = all.inside as [Element, Element];
  assert.equal([first.attributes['name'], first.attributes['file'], first.attributes['failures']], ['a/boot.yaml', 'a/boot.yaml', '1']);
  assert.equal(
    first.inside.map(({ attributes }) => [attributes['classname'], attributes['name']]),
    [
      ['a/boot', 'the guest runs'],
      ['a/boot', 'few exits'],
      ['a/boot', 'few exits (2)'],
    ],
  );
  const failure = first.inside[2]?.inside[0];
  assert.equal([failure?.attributes['message'], failure?.text], ['7 exits', 'a/boot.yaml:9\n7 exits\nmore']);
  const error = second.inside[0]?.inside[0];
  assert.equal([error?.name, error?.attributes['message'], error?.text], ['error', 'the guest died: triple fault', 'rip 0']);
});

test('a file that cannot be checked is an error', () => {
  const { attributes, inside } = parse(junitXml([{ file: 'x.yaml', trouble: 'x.yaml:3: wrong' }]));
  assert.equal(attributes, { tests: '1', failures: '0', errors: '1' });
  assert.is(inside[0]?.inside[0]?.inside[0]?.attributes['message'], 'x.yaml:3: wrong');
});

test('whatever a guest says, the XML is well formed', () => {
  const found = 'it says: \u0000\u001b[31m]]>&amp;<b a="1">\ud800 é \udc00\ufffe\ttab\nline';
  const all = junit({ expectations: [{ kind: 'serial', name: found, line: 1, met: false, found }] });
  assert.is(all.inside[0]?.inside[1]?.attributes['name'], 'it says: ??[31m]]>&amp;<b a="1">? é ??\ttab\nline');
});

test.run();
