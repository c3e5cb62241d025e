/** How tiles fill a wall: pages of them, and rows and columns of a page. Pure. */

/** What the address says: `/wallboard?kiosk=1&rotate=20&queues=support,sales&theme=light&sound=1`. */
export interface WallOptions {
  /** Nobody sits there: no buttons, no pointer. */
  kiosk: boolean;
  /** Seconds for which a page stands; 0: pages do not turn. */
  rotate: number;
  /** These queues in this order; empty: all. */
  queues: string[];
  theme: "dark" | "light";
  sound: boolean;
}

const ROTATE_SECONDS = 15;
export const TILES = 6;

type Query = Record<string, unknown>;

function text(query: Query, name: string): string {
  const value = query[name];
  return typeof value === "string" ? value : "";
}

export function wallOptions(query: Query): WallOptions {
  const rotate = Number.parseInt(text(query, "rotate"), 10);
  return {
    kiosk: text(query, "kiosk") === "1",
    rotate: Number.isNaN(rotate) ? ROTATE_SECONDS : Math.min(600, Math.max(0, rotate)),
    queues: text(query, "queues").split(",").filter(Boolean),
    theme: text(query, "theme") === "light" ? "light" : "dark",
    sound: text(query, "sound") === "1",
  };
}

/** Pages of about equal size, none with more than `most`. */
export function pagesOf<T>(items: readonly T[], most = TILES): T[][] {
  const count = Math.ceil(items.length / most);
  const size = count === 0 ? 0 : Math.ceil(items.length / count);
  return Array.from({ length: count }, (_, page) => items.slice(page * size, (page + 1) * size));
}

/** Columns of a page: at most three, so that figures can be read from afar. */
export function columnsOf(tiles: number): number {
  return tiles <= 1 ? 1 : tiles <= 4 ? 2 : 3;
}
