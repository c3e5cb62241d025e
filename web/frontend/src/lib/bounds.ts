/** What a day's figures can be where a part of the day was not heard. Pure. */
import type { FloorQueueRow, Unheard } from "@/api/types";

/** `high` null: nobody can say; equal to `low`: nothing is open. */
export interface Bounds {
  low: number;
  high: number | null;
}

type Counted = Pick<FloorQueueRow, "answered_in_time_today" | "judged_today" | "unheard_today">;

/** A count that can have missed calls. `ends`: those whose end is unknown can belong to it. */
export function countBounds(count: number, unheard: Unheard | null, ends: boolean): Bounds {
  if (unheard === null) return { low: count, high: count };
  if (unheard.calls_at_most === null) return { low: count, high: null };
  return { low: count, high: count + unheard.calls_at_most + (ends ? unheard.ends_unknown : 0) };
}

/** The service level if all that is open was late, and if all of it was in time; null: unknown. */
export function levelBounds(row: Counted): Bounds | null {
  const unheard = row.unheard_today;
  if (unheard !== null && unheard.calls_at_most === null) return null;
  const open = unheard === null ? 0 : (unheard.calls_at_most ?? 0) + unheard.ends_unknown;
  const of = row.judged_today + open;
  if (of === 0) return null;
  return { low: row.answered_in_time_today / of, high: (row.answered_in_time_today + open) / of };
}

/** Several queues together. */
export function together(parts: (Unheard | null)[]): Unheard | null {
  const open = parts.filter((part) => part !== null);
  if (open.length === 0) return null;
  const unknown = open.some((part) => part.calls_at_most === null);
  return {
    calls_at_most: unknown ? null : open.reduce((sum, part) => sum + (part.calls_at_most ?? 0), 0),
    ends_unknown: open.reduce((sum, part) => sum + part.ends_unknown, 0),
  };
}
