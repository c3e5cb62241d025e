/**
 * Live tables in the browser: rows by key, kept in their place. A change replaces one row, a
 * snapshot is laid over what is there, so nothing on the screen jumps.
 */
import { shallowReactive } from "vue";

export type RowMaps<T> = { readonly [Name in keyof T]: Map<string, T[Name]> };

export function makeTables<T>(names: readonly (keyof T & string)[]): RowMaps<T> {
  const tables = {} as Record<string, Map<string, unknown>>;
  for (const name of names) tables[name] = shallowReactive(new Map<string, unknown>());
  return tables as unknown as RowMaps<T>;
}

type AnyRows = Record<string, Record<string, unknown>>;

function mapOf<T>(tables: RowMaps<T>, name: string): Map<string, unknown> | undefined {
  return (tables as Record<string, Map<string, unknown> | undefined>)[name];
}

/** Lay a snapshot over the tables: rows that stay keep their place. */
export function applySnapshot<T>(tables: RowMaps<T>, rows: AnyRows): void {
  for (const name of Object.keys(tables)) {
    const map = mapOf(tables, name);
    const fresh = rows[name] ?? {};
    for (const key of [...(map?.keys() ?? [])]) if (!(key in fresh)) map?.delete(key);
    for (const [key, row] of Object.entries(fresh)) map?.set(key, row);
  }
}

/** Apply changes; tables that we do not know are left out. */
export function applyChanges<T>(
  tables: RowMaps<T>,
  put: AnyRows,
  del: Record<string, string[]>,
): void {
  for (const [name, rows] of Object.entries(put)) {
    const map = mapOf(tables, name);
    for (const [key, row] of Object.entries(rows)) map?.set(key, row);
  }
  for (const [name, keys] of Object.entries(del)) {
    for (const key of keys) mapOf(tables, name)?.delete(key);
  }
}
