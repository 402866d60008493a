/** The part of JSON Schema 2020-12 that our schemas use; a keyword that it does not know is an error, not a pass. */

type Schema = Readonly<Record<string, unknown>>;

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: Number.isSafeInteger,
  null: (value) => value === null,
  boolean: (value) => typeof value === 'boolean',
};

/** What is wrong with a value, by path; nothing when it is as the schema says. */
export function violations(value: unknown, root: Schema, schema: Schema = root, path = '$'): string[] {
  const wrong: string[] = [];
  for (const [keyword, rule] of Object.entries(schema)) wrong.push(...check(value, root, keyword, rule, schema, path));
  return wrong;
}

function check(value: unknown, root: Schema, keyword: string, rule: unknown, schema: Schema, path: string): string[] {
  const within = (inner: unknown, rules: unknown, at: string): string[] => violations(inner, root, rules as Schema, at);
  const fail = (ok: boolean, text: string): string[] => (ok ? [] : [`${path}: ${text}`]);
  const object = TYPES['object']!(value) ? (value as Record<string, unknown>) : {};
  switch (keyword) {
    case '$schema':
    case '$defs':
    case 'title':
    case 'description':
      return [];
    case '$ref': {
      const name = String(rule).replace('#/$defs/', '');
      const target = (root['$defs'] as Record<string, Schema>)[name];
      if (target === undefined) throw new Error(`no ${String(rule)}`);
      return within(value, target, path);
    }
    case 'type': {
      const names = Array.isArray(rule) ? (rule as string[]) : [String(rule)];
      return fail(
        names.some((name) => TYPES[name]!(value)),
        `is no ${names.join(' or ')}`,
      );
    }
    case 'const':
      return fail(value === rule, `is not ${JSON.stringify(rule)}`);
    case 'enum':
      return fail((rule as unknown[]).includes(value), `${JSON.stringify(value)} is none of the values`);
    case 'pattern':
      return fail(typeof value !== 'string' || new RegExp(String(rule)).test(value), `does not fit ${String(rule)}`);
    case 'properties':
      return Object.entries(rule as Record<string, Schema>).flatMap(([name, rules]) =>
        Object.hasOwn(object, name) ? within(object[name], rules, `${path}.${name}`) : [],
      );
    case 'required':
      return (rule as string[]).flatMap((name) => fail(Object.hasOwn(object, name), `lacks ${name}`));
    case 'additionalProperties': {
      const known = Object.keys((schema['properties'] as object | undefined) ?? {});
      const others = Object.keys(object).filter((name) => !known.includes(name));
      return others.flatMap((name) =>
        rule === false ? [`${path}: has ${name}, which it must not`] : within(object[name], rule, `${path}.${name}`),
      );
    }
    case 'items':
      return Array.isArray(value) ? value.flatMap((item, i) => within(item, rule, `${path}[${i}]`)) : [];
    case 'oneOf': {
      const results = (rule as Schema[]).map((one) => within(value, one, path));
      const fits = results.filter((result) => result.length === 0).length;
      return fits === 1 ? [] : [`${path}: fits ${fits} of the alternatives`, ...(fits === 0 ? results.flat() : [])];
    }
    default:
      throw new Error(`unknown keyword ${keyword}`);
  }
}
