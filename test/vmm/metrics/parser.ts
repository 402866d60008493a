/** The parsers of Prometheus' Python client (Debian: python3-prometheus-client), of which that of OpenMetrics is strict. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import type { MetricsFormat } from '../../../vmm/metrics/exposition.ts';

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly unit: string;
  readonly help: string;
  readonly samples: readonly (readonly [name: string, labels: Readonly<Record<string, string>>, value: number])[];
}

const SCRIPT = `
import json, sys
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as prometheus
def parsed(text):
    families = {'openmetrics': openmetrics, 'prometheus': prometheus}[sys.argv[1]].text_string_to_metric_families(text)
    return [dict(name=f.name, type=f.type, unit=f.unit, help=f.documentation, samples=[[s.name, s.labels, float(s.value)] for s in f.samples]) for f in families]
json.dump([parsed(text) for text in json.load(sys.stdin)], sys.stdout)
`;

/** Debian's Python need not be the first. */
const PYTHON = ['python3', '/usr/bin/python3'].find(
  (python) => spawnSync(python, ['-c', 'import prometheus_client'], { stdio: 'ignore' }).status === 0,
);

/** Why there is none; undefined when there is. */
export const whyNoParser = PYTHON === undefined ? 'python3-prometheus-client is not installed' : undefined;
if (whyNoParser !== undefined && process.env['LUCID_REQUIRE_LINUX'] === '1') throw new Error(`required here: ${whyNoParser}`);

/** What each text says. Throws when one is not in the format. */
export function parseAll(format: MetricsFormat, texts: readonly string[]): ParsedFamily[][] {
  const options = { input: JSON.stringify(texts), encoding: 'utf8', maxBuffer: 1 << 28 } as const;
  const { status, stdout, stderr } = spawnSync(PYTHON ?? '', ['-c', SCRIPT, format], options);
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as ParsedFamily[][];
}

export function parse(format: MetricsFormat, text: string): ParsedFamily[] {
  return parseAll(format, [text])[0] ?? [];
}
