/** The browser's own storage; a browser that refuses it costs comfort, never function. */

const PREFIX = "zuoxi.";

export function readText(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null; // Storage is off in this browser: as if nothing was kept.
  }
}

/** @returns whether it was kept. */
export function writeText(key: string, value: string | null): boolean {
  try {
    if (value === null) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, value);
    return true;
  } catch {
    return false; // Full or off: the caller says so where it matters.
  }
}

/** A value kept as JSON, null when there is none or it cannot be read. */
export function readJson(key: string): unknown {
  const text = readText(key);
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
