/**
 * The tables of named processors that come along, and files of the user's own: where a table is found by its name.
 *
 * @module
 */
import { readdirSync } from 'node:fs';
import { ReadTextError, readText } from './read-text.ts';
import { type CostTable, costTableFrom, ExitCostError } from './table.ts';

const FOLDER = new URL('./tables/', import.meta.url);

/** Names of the tables that come along. */
export function costTableNames(): string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

/** The table of a name, or of a file. Messages begin with the option that names it. Throws ExitCostError with one line. */
export function loadCostTable(option: string, choice: string, others: readonly string[] = []): CostTable {
  const names = costTableNames();
  const source = `${option} ${choice}`;
  const instead = `give ${[...others, ...names].join(', ')} or a JSON file`;
  let text: string;
  try {
    text = readText(names.includes(choice) ? new URL(`${choice}.json`, FOLDER) : choice);
  } catch (error) {
    if (!(error instanceof ReadTextError)) throw error;
    throw new ExitCostError(`${source}: ${error.message}; ${instead}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    // The parser quotes the file, which may hold anything.
    const why = (error as Error).message.replaceAll(/[^ -~]+/g, '.');
    throw new ExitCostError(`${source}: not JSON: ${why}; ${instead}`);
  }
  return costTableFrom(source, json, choice);
}
