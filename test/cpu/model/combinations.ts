/** Every combination of values, by name: { a: [1, 2], b: ['x'] } gives { a: 1, b: 'x' } and { a: 2, b: 'x' }. The last name changes fastest. */
export function* combinations<T extends Record<string, readonly unknown[]>>(values: T): Generator<{ [K in keyof T]: T[K][number] }> {
  const [first, ...rest] = Object.keys(values);
  if (first === undefined) {
    yield {} as { [K in keyof T]: T[K][number] };
    return;
  }
  const others = Object.fromEntries(rest.map((name) => [name, values[name] as readonly unknown[]]));
  for (const value of values[first] as readonly unknown[]) {
    for (const other of combinations(others)) yield { [first]: value, ...other } as { [K in keyof T]: T[K][number] };
  }
}

/** from, from + 1, ... to - 1. */
export const range = (from: number, to: number): readonly number[] => Array.from({ length: to - from }, (_, i) => from + i);
