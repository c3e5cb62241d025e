/** The floor as leaders see it. The link is open while a page shows it. */
import { defineStore } from "pinia";
import { computed } from "vue";

import type { FloorTables } from "@/api/types";

import { reactiveLink } from "./link";
import { useSession } from "./session";

/** A crowded floor changes ten times a second; nobody reads so fast, and each drawing has its cost. */
const DRAW_EVERY_MS = 250;

export const useLive = defineStore("live", () => {
  const session = useSession();
  const link = reactiveLink<FloorTables>(
    "floor",
    ["queues", "agents", "waiting", "alarms", "link", "trends", "gaps"],
    () => session.lose(),
    DRAW_EVERY_MS,
  );
  const queues = computed(() => [...link.tables.queues.values()]);
  const agents = computed(() => [...link.tables.agents.values()]);
  /** In the order in which callers are served as far as it is known here: priority, then age. */
  const waiting = computed(() =>
    [...link.tables.waiting.values()].sort(
      (a, b) => b.priority - a.priority || a.entered_at - b.entered_at,
    ),
  );
  const alarms = computed(() => [...link.tables.alarms.values()]);
  const pbx = computed(() => [...link.tables.link.values()][0] ?? null);

  const trends = computed(() => [...link.tables.trends.values()]);
  const gaps = computed(() => [...link.tables.gaps.values()]);

  return {
    linkState: link.state,
    loaded: link.loaded,
    heardAt: link.heardAt,
    retryIn: link.retryIn,
    open: link.open,
    close: link.close,
    queues,
    agents,
    waiting,
    alarms,
    pbx,
    trends,
    gaps,
  };
});
