/**
 * Texts that are no D programs: random bytes, random tokens, and programs of test/d with bytes changed, under every form of a source. Whatever comes,
 * the compiler gives a CompileError or a program, in a time that goes with the text's length.
 *
 * As a command, `text-fuzz.ts N SEED`, does N of each kind and shows what does something else. (Programs that make sense at random: `fuzz.ts`.)
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { compile } from '../../../probes/d/compile.ts';
import type { SourceForm } from '../../../probes/d/environment.ts';
import { CompileError, message } from '../../../probes/d/error.ts';
import { KEYWORDS } from '../../../probes/d/token.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';
import { CORPUS, programs } from './corpus.ts';
import { Random } from '../../vmm/hostile-guest.ts';

export const KINDS = ['bytes', 'tokens', 'changed'] as const;
export type Kind = (typeof KINDS)[number];

const FORMS: readonly SourceForm[] = ['script', 'program', 'name', 'function', 'module', 'provider', 'id'];

const TOKENS: readonly string[] = [
  ...KEYWORDS,
  ...'BEGIN END dtrace:::BEGIN sdt:kvm::kvm-vexit tick-1s * ::: a:b:c:d:e profile-97 1 4'.split(' '),
  ...'( ) [ ] { } ; , : ? . -> ++ -- + - * / % & | ^ ~ ! << >> < <= > >= == != && || ^^ = += -= *= /= %= &= ^= |= <<= >>= ...'.split(' '),
  ...'x y a b s t p self this @ @a @b[1] args arg0 vmregs uregs pid timestamp execname probename NULL R_RAX VMX_GUEST_RIP strexitno'.split(
    ' ',
  ),
  ...'int8_t uint64_t size_t foo_t 0 1 -1 07 08 0x 0xff 1u 1ull 1.5 1e3 99999999999999999999'.split(' '),
  ...'trace printf printa print tracemem stack ustack sym exit count sum avg quantize lquantize llquantize clear trunc normalize'.split(
    ' ',
  ),
  ...'speculate commit discard speculation strlen strjoin substr copyin copyinstr alloca rand stop freopen system setopt'.split(' '),
  ...'"" "a" "%d" "%s%@d" "a\\n" "\\x" \'a\' \'\' \'ab\' " \' \\ ` $ $$ $1 $$1 $3 $target $nosuch # #pragma #define #if #endif #include'.split(
    ' ',
  ),
  '\n#pragma D option ',
  '\n#define X ',
  '\n#define F(a) a ## a #a\n',
  '\n#if 1\n',
  '\n#endif\n',
  '\n#line 5 "f"\n',
  '/*',
  '*/',
  '//',
  '\n',
  '\u0000',
  '\u00e9',
  '\ud83d\ude00',
];

let corpus: readonly string[] | undefined;

function changed(r: Random): string {
  corpus ??= programs(CORPUS).map((path) => readFileSync(path, 'latin1'));
  const text = [...r.pick(corpus)];
  for (let n = 1 + r.below(6); n > 0; n--) {
    const at = r.below(text.length + 1);
    const c = String.fromCharCode(r.below(r.oneIn(8) ? 0x300 : 127));
    if (r.oneIn(3)) text.splice(at, 1);
    else if (r.oneIn(2)) text.splice(at, 0, c);
    else text.splice(at, 1, c);
  }
  return text.join('');
}

/** A text by its seed. */
export function randomText(kind: Kind, seed: number): string {
  const r = new Random(seed);
  switch (kind) {
    case 'bytes':
      return Array.from({ length: r.below(80) }, () => String.fromCharCode(r.below(r.oneIn(20) ? 0x800 : 128))).join('');
    case 'tokens': {
      const separator = r.oneIn(3) ? '' : ' ';
      const body = Array.from({ length: r.below(40) }, () => r.pick(TOKENS)).join(separator);
      return r.oneIn(3) ? body : `BEGIN { ${body} }`;
    }
    case 'changed':
      return changed(r);
  }
}

let registry = new ProbeRegistry();

/** Compiles a text in a way that its seed chooses. Returns whether it compiles; throws what no text may cause. */
export function compileText(text: string, seed: number): boolean {
  // Probes are made on demand and stay.
  if (seed % 500 === 0) registry = new ProbeRegistry();
  const source = { form: FORMS[seed % 3 === 0 ? seed % FORMS.length : 0] as SourceForm, name: 'text', text };
  const environment = {
    probes: registry,
    options: { argref: 1 },
    macroArguments: ['1', 'x'],
    macros: { pid: 1 },
    zdefs: seed % 2 === 0,
    preprocess: seed % 5 === 0,
    readFile: (path: string) => (path === 'a' ? '#include "a"\n' : undefined),
  };
  try {
    compile([source], environment);
    return true;
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    if (!message(error, source, { command: 'dlite', errtags: true }).includes(`[${error.tag}] `)) throw error;
    return false;
  }
}

/** Texts of a kind, from a seed; gives those that failed. */
export function textFuzz(kind: Kind, count: number, seed: number, slowMs: number): { seed: number; text: string; error: unknown }[] {
  const failures: { seed: number; text: string; error: unknown }[] = [];
  for (let i = seed; i < seed + count; i++) {
    const text = randomText(kind, i);
    const start = performance.now();
    try {
      compileText(text, i);
      const ms = performance.now() - start;
      if (ms > slowMs) throw new Error(`took ${ms.toFixed()} ms`);
    } catch (error) {
      failures.push({ seed: i, text, error });
    }
  }
  return failures;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [count = '1000', seed = '1'] = process.argv.slice(2);
  for (const kind of KINDS) {
    const start = performance.now();
    const failures = textFuzz(kind, Number(count), Number(seed), 2000);
    for (const failure of failures.slice(0, 20))
      process.stdout.write(`${kind} ${failure.seed}: ${failure.text}\n${(failure.error as Error).stack}\n`);
    process.stdout.write(`${kind}: ${count} texts, ${failures.length} failed, ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  }
}
