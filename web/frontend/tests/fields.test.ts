/** The custom fields: each person's own, and as they are now when the server says so. */
import { createPinia, setActivePinia } from "pinia";
import { beforeEach, expect, it, vi } from "vitest";
import { nextTick } from "vue";

import { ApiError, type call } from "@/api/http";
import type { Me } from "@/api/types";

const server = vi.hoisted(() => ({ call: vi.fn() }));
vi.mock("@/api/http", async (original) => ({
  ...(await original<{ ApiError: typeof ApiError; call: typeof call }>()),
  call: server.call,
}));

const { useFields } = await import("@/stores/fields");
const { useSession } = await import("@/stores/session");

const field = (code: string, editable_by: string[] = []) => ({
  code, title: {}, type: "text", choices: [], required: true, visible_to: [], editable_by, position: 0,
});
const enter = (user: string) => (useSession().me = { user, rights: {}, roles: ["agent"] } as unknown as Me);
const refused = (name: string) =>
  new ApiError({ title: "no", status: 422, code: "invalid", errors: [{ field: name, code: "missing", message: "" }] });

beforeEach(() => {
  vi.stubGlobal("navigator", { language: "en" });
  vi.stubGlobal("window", { matchMedia: () => ({ matches: false, addEventListener: vi.fn() }) });
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: vi.fn(), removeItem: vi.fn() });
  server.call.mockReset();
  server.call.mockResolvedValue({ items: [field("vin"), field("rank", ["admin"])] });
  setActivePinia(createPinia());
  enter("fang");
});

it("judges only what the person may fill in", async () => {
  const fields = useFields();
  await fields.load();
  expect(fields.visible.map(({ code }) => code)).toEqual(["vin", "rank"]);
  expect(fields.mine.map(({ code }) => code)).toEqual(["vin"]);
});

it("is read once by each person", async () => {
  const fields = useFields();
  await fields.load();
  await fields.load();
  expect(server.call).toHaveBeenCalledTimes(1);
  enter("qiang");
  await nextTick();
  await fields.load();
  expect(server.call).toHaveBeenCalledTimes(2);
});

it("is read again when the server misses a field of which we do not know", async () => {
  const fields = useFields();
  await fields.load();
  await fields.learn(refused("name"));
  expect(server.call).toHaveBeenCalledTimes(1);
  server.call.mockResolvedValue({ items: [field("vin"), field("plate")] });
  await fields.learn(refused("fields.plate"));
  expect(fields.mine.map(({ code }) => code)).toEqual(["vin", "plate"]);
  server.call.mockRejectedValue(new ApiError({ title: "away", status: 503, code: "database_away" }));
  await fields.learn(refused("fields.plate"));
});
