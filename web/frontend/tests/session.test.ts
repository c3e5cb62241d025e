/** Who is signed in is asked until there is an answer: without one no page can be shown. */
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { ApiError, type call } from "@/api/http";

const server = vi.hoisted(() => ({ call: vi.fn() }));
vi.mock("@/api/http", async (original) => ({
  ...(await original<{ ApiError: typeof ApiError; call: typeof call }>()),
  call: server.call,
}));
vi.mock("@/stores/prefs", () => ({ usePrefs: () => ({ setLanguage: () => undefined }) }));

const { useSession } = await import("@/stores/session");

const refused = (status: number, code: string): ApiError => new ApiError({ title: code, status, code });

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("localStorage", { getItem: () => null });
  setActivePinia(createPinia());
  server.call.mockReset();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("waits for a server that is away, says so, and goes on when it is back", async () => {
  const session = useSession();
  server.call.mockRejectedValueOnce(refused(0, "network")).mockRejectedValueOnce(refused(503, "database_away"));
  server.call.mockResolvedValue({ user: "ann", csrf: "x", language: "en", rights: {} });
  const reached = session.reach();
  await vi.advanceTimersByTimeAsync(0);
  expect(session.away).toBe(true);
  await vi.advanceTimersByTimeAsync(4000);
  await reached;
  expect(session.away).toBe(false);
  expect(session.me?.user).toBe("ann");
});

it("takes a no for an answer", async () => {
  const session = useSession();
  server.call.mockRejectedValue(refused(401, "signed_out"));
  await session.reach();
  expect([session.me, session.away, session.loaded]).toEqual([null, false, true]);
});
