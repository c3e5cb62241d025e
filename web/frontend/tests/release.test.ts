/** A page that stayed open over an upgrade is loaded anew, but not in a call. */
import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { reactive } from "vue";

const phone = reactive({ call: null as object | null });
vi.mock("@/stores/phone", () => ({ usePhone: () => phone }));

const { useRelease } = await import("@/stores/release");

const reload = vi.fn();

function serves(page: string | Error): void {
  const answer = { ok: true, text: () => Promise.resolve(page) };
  vi.stubGlobal("fetch", () => (page instanceof Error ? Promise.reject(page) : Promise.resolve(answer)));
}

beforeEach(() => {
  setActivePinia(createPinia());
  phone.call = null;
  reload.mockReset();
  vi.stubGlobal("location", { reload });
  vi.stubGlobal("document", { querySelector: () => ({ getAttribute: () => "/assets/old.js" }) });
});
afterEach(() => vi.unstubAllGlobals());

it("is loaded anew when a part is missing after an upgrade", async () => {
  serves("/assets/new.js");
  await useRelease().missed();
  expect(reload).toHaveBeenCalledTimes(1);
});

it("waits for the end of a call", async () => {
  serves("/assets/new.js");
  phone.call = {};
  const release = useRelease();
  await release.missed();
  expect([reload.mock.calls.length, release.waits]).toEqual([0, true]);
});

it.each([
  ["the page is the same", "/assets/old.js"],
  ["the server is away", new TypeError("away")],
])("stays when %s", async (_why, page: string | Error) => {
  serves(page);
  const release = useRelease();
  await release.missed();
  expect([reload.mock.calls.length, release.waits]).toEqual([0, false]);
});
