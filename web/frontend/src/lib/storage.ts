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
  return parsed(readText(key));
}

function parsed(text: string | null): unknown {
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** Hear of every value that another tab writes, as JSON: the key, what is kept now and before. */
export function onOtherTab(hear: (key: string, now: unknown, before: unknown) => void): void {
  window.addEventListener("storage", ({ key, newValue, oldValue }) => {
    if (key?.startsWith(PREFIX)) hear(key.slice(PREFIX.length), parsed(newValue), parsed(oldValue));
  });
}
