/** How today runs: asked for once, kept up by the live rows of the quarters that still change. */
import { defineStore } from "pinia";
import { computed, onScopeDispose, shallowReactive, shallowRef, watch } from "vue";

import { ApiError, call } from "@/api/http";
import type { GapRow, Problem, TrendRow, Trends } from "@/api/types";
import { now } from "@/lib/clock";
import { points, type TrendPoint } from "@/lib/trend";

import { useLive } from "./live";

const RETRY_SECONDS = 15;

export const useTrends = defineStore("trends", () => {
  const live = useLive();
  const today = shallowRef<Trends | null>(null);
  const problem = shallowRef<Problem | null>(null);
  /** Rows stay here when the floor lets them go: they do not change any more. */
  const heard = shallowReactive(new Map<string, TrendRow>());
  let askedAt = 0;

  function hear(rows: readonly TrendRow[]): void {
    for (const row of rows) heard.set(`${row.queue ?? ""}@${row.begin}`, row);
  }

  async function load(): Promise<void> {
    askedAt = now.value;
    try {
      today.value = await call<Trends>("GET", "/trends");
      // What was heard before is in there, and maybe was not the last word on its quarter.
      heard.clear();
      hear(live.trends);
      problem.value = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem.value = error.problem;
    }
  }

  /** Finished gaps, and the one that lasts. */
  const gaps = computed<GapRow[]>(() => {
    const known = new Map<string, GapRow>();
    for (const gap of [...(today.value?.gaps ?? []), ...live.gaps]) {
      known.set(gap.from_at.toFixed(1), gap);
    }
    const pbx = live.pbx;
    if (pbx && pbx.pbx !== "ready" && pbx.since > 0) {
      known.set("now", { from_at: pbx.since, to_at: now.value, reason: "link_lost" });
    }
    return [...known.values()].sort((a, b) => a.from_at - b.from_at);
  });

  function pointsOf(queue: string | null): TrendPoint[] {
    return today.value ? points(today.value, queue, heard.values(), gaps.value) : [];
  }

  /** Keep up while the calling component stands. */
  function follow(): void {
    const stops = [
      watch(() => live.trends, hear, { immediate: true }),
      // Whatever happened while the link was away is in the database only.
      watch(
        () => live.linkState === "live",
        (lives) => {
          if (lives) void load();
        },
        { immediate: true },
      ),
      watch(now, () => {
        const over = today.value === null || now.value >= today.value.end;
        if (over && live.linkState === "live" && now.value - askedAt > RETRY_SECONDS) void load();
      }),
    ];
    onScopeDispose(() => stops.forEach((stop) => stop()));
  }

  return { today, problem, gaps, pointsOf, follow, load };
});
