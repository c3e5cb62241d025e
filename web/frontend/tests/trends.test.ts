/** The day's quarters: what the database says counts over what was heard before it was asked. */
import { createPinia, disposePinia, setActivePinia, type Pinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { computed, effectScope, nextTick, ref } from "vue";

import type { ApiError, call } from "@/api/http";
import type { FloorTables, TrendRow, Trends } from "@/api/types";
import { applyChanges, applySnapshot, makeTables } from "@/lib/tables";

const server = vi.hoisted(() => ({ call: vi.fn() }));
const link = vi.hoisted(() => ({ current: null as unknown }));

vi.mock("@/api/http", async (original) => ({
  ...(await original<{ ApiError: typeof ApiError; call: typeof call }>()),
  call: server.call,
}));
vi.mock("@/stores/link", () => ({ reactiveLink: () => link.current }));

const { useTrends } = await import("@/stores/trends");

const BEGIN = 1_800_000_000;
const tables = makeTables<FloorTables>(["queues", "agents", "waiting", "alarms", "link", "trends", "gaps"]);
const state = ref("live");
let pinia: Pinia;

const day = (offered: number[]): Trends => ({
  day: "2027-01-15",
  begin: BEGIN,
  end: BEGIN + 86_400,
  quarter_seconds: 900,
  series: [{ queue: "a", offered, answered: [], abandoned: [], service_level: [], waiting_most: [], ready_mean: [] }],
  gaps: [],
});
const row = (quarter: number, offered: number): TrendRow => ({
  queue: "a",
  begin: BEGIN + quarter * 900,
  offered,
  answered: 0,
  abandoned: 0,
  service_level: null,
  waiting_most: 0,
  ready_mean: null,
});

beforeEach(() => {
  applySnapshot(tables, {});
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: vi.fn(), removeItem: vi.fn() });
  link.current = { tables, state, loaded: ref(true), heardAt: ref(0), retryIn: computed(() => 0), open: vi.fn(), close: vi.fn() };
  pinia = createPinia();
  setActivePinia(pinia);
});
afterEach(() => disposePinia(pinia));

it("a quarter that went on while the link was away is what the database says", async () => {
  const scope = effectScope();
  const trends = useTrends();
  const offered = () => trends.pointsOf("a").map((point) => point.offered);
  server.call.mockResolvedValue(day([1, 2]));
  applyChanges(tables, { trends: { q1: row(1, 3) } }, {});
  scope.run(() => trends.follow());
  await vi.waitFor(() => expect(offered()).toEqual([1, 3]));
  state.value = "waiting";
  await nextTick();
  server.call.mockResolvedValue(day([1, 9, 2]));
  applySnapshot(tables, { trends: { q2: row(2, 4) } });
  state.value = "live";
  await vi.waitFor(() => expect(offered()).toEqual([1, 9, 4]));
  scope.stop();
});
