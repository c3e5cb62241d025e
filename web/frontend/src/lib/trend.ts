/** A day's figures by quarters of an hour: what was asked for, and what changes live laid over. Pure. */
import type { GapRow, TrendRow, Trends, TrendSeries } from "@/api/types";

export const QUARTER_SECONDS = 900;

/** One quarter; all null where nothing is known of it. */
export interface TrendPoint {
  begin: number;
  offered: number;
  answered: number;
  abandoned: number;
  service_level: number | null;
  waiting_most: number;
  ready_mean: number | null;
  /** Nothing was heard for a part of it. */
  gap: boolean;
}

function ofSeries(series: TrendSeries | undefined, place: number, begin: number): TrendPoint {
  return {
    begin,
    offered: series?.offered[place] ?? 0,
    answered: series?.answered[place] ?? 0,
    abandoned: series?.abandoned[place] ?? 0,
    service_level: series?.service_level[place] ?? null,
    waiting_most: series?.waiting_most[place] ?? 0,
    ready_mean: series?.ready_mean[place] ?? null,
    gap: false,
  };
}

export function touches(gap: GapRow, begin: number, seconds = QUARTER_SECONDS): boolean {
  return gap.to_at >= begin && gap.from_at < begin + seconds;
}

/**
 * The quarters of a queue, or of all (null).
 * @param live rows that still changed when they were last heard of.
 */
export function points(
  trends: Trends,
  queue: string | null,
  live: Iterable<TrendRow>,
  gaps: readonly GapRow[],
): TrendPoint[] {
  const series = trends.series.find((each) => each.queue === queue);
  const found = (series?.offered ?? []).map((_, place) =>
    ofSeries(series, place, trends.begin + place * QUARTER_SECONDS),
  );
  for (const row of live) {
    if (row.queue !== queue || row.begin < trends.begin || row.begin >= trends.end) continue;
    const place = Math.round((row.begin - trends.begin) / QUARTER_SECONDS);
    while (found.length < place) {
      found.push(ofSeries(undefined, 0, trends.begin + found.length * QUARTER_SECONDS));
    }
    found[place] = { ...row, gap: false };
  }
  for (const point of found) point.gap = gaps.some((gap) => touches(gap, point.begin));
  return found;
}

/** Without the hours before anything happened and with at least `hours` of them. */
export function fromFirst(all: readonly TrendPoint[], hours = 4): TrendPoint[] {
  const first = all.findIndex(
    (point) => point.offered > 0 || point.waiting_most > 0 || (point.ready_mean ?? 0) > 0,
  );
  const latest = Math.max(0, all.length - hours * 4);
  return all.slice(first < 0 ? latest : Math.min(first, latest));
}

/** An SVG path through the values, in a box of `width` by `height`. */
export function sparkPath(values: readonly number[], width: number, height: number): string {
  const most = Math.max(1, ...values);
  const step = values.length > 1 ? width / (values.length - 1) : width;
  return values
    .map((value, place) => {
      const y = height - 1 - (value / most) * (height - 2);
      return `${place === 0 ? "M" : "L"}${(place * step).toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
}
