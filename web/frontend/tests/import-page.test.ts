/** The page of an import asks how far it is, while somebody looks. */
import { createPinia, setActivePinia } from "pinia";
import { expect, it, vi } from "vitest";
import { createRenderer, ssrContextKey, type Component } from "vue";

import { i18n } from "@/i18n";

const server = vi.hoisted(() => ({ readImport: vi.fn() }));

vi.mock("@/api/customers", async (original) => ({ ...(await original<object>()), ...server }));
vi.mock("@/stores/fields", () => ({ useFields: () => ({ load: () => Promise.resolve() }) }));
vi.mock("@/stores/prefs", () => ({ usePrefs: () => ({ language: "en" }) }));
vi.mock("vue-router", () => ({ useRouter: () => ({}) }));

const { default: CustomerImport } = await import("@/pages/CustomerImport.vue");

/** The page's own doing; nothing is drawn. */
function opened(): () => void {
  const nothing = (): object => ({});
  const { createApp } = createRenderer<object, object>({
    ...{ createElement: nothing, createText: nothing, createComment: nothing },
    ...{ insert: nothing, remove: nothing, patchProp: nothing, setText: nothing, setElementText: nothing },
    ...{ parentNode: nothing, nextSibling: () => null },
  });
  const app = createApp({ ...(CustomerImport as Component), render: () => null } as Component, { id: "1" });
  app.use(i18n).provide(ssrContextKey, {}).mount({}); // the tests compile pages for a server
  return () => app.unmount();
}

it("asks no more when it was left with a question under way", async () => {
  vi.useFakeTimers();
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: vi.fn(), removeItem: vi.fn() });
  setActivePinia(createPinia());
  let answer: (now: object) => void = () => undefined;
  const now = { import_id: "1", state: "running", columns: [], suggested: {}, targets: [] };
  server.readImport.mockResolvedValueOnce(now).mockReturnValue(new Promise((go) => (answer = go)));
  const leave = opened();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(server.readImport).toHaveBeenCalledTimes(2);
  leave();
  answer(now);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(server.readImport).toHaveBeenCalledTimes(2);
});
