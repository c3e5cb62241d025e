/** Why a call went to whom: everybody who is named is shown with the reason. */
import { createPinia, setActivePinia } from "pinia";
import { expect, it, vi } from "vitest";
import { createSSRApp } from "vue";
import { renderToString } from "vue/server-renderer";

import type { Decision } from "@/api/types";
import { i18n } from "@/i18n";

vi.mock("@/stores/prefs", () => ({ usePrefs: () => ({ language: "en" }) }));

const { default: DecisionList } = await import("@/parts/DecisionList.vue");

const reasons = ["talking", "not_ready", "lacks_skill", "not_asked_for"];
const agents = Array.from({ length: 48 }, (_, number) => `${1003 + number}`);
const decision: Decision = {
  at: 1_790_000_000,
  queue: "support",
  rule: "longest_idle",
  chosen: "1001",
  eligible: ["1001", "1002"],
  eligible_count: 2,
  excluded: Object.fromEntries(reasons.map((reason) => [reason, 12])),
  excluded_examples: Object.fromEntries(
    agents.map((agent, number) => [agent, reasons[number % reasons.length] ?? ""]),
  ),
  step: 0,
  seed: null,
};

it("names all agents of a floor of fifty, under their reasons", async () => {
  i18n.global.locale.value = "en";
  const pinia = createPinia();
  setActivePinia(pinia);
  const app = createSSRApp(DecisionList, { decisions: [decision] }).use(pinia).use(i18n);
  const shown = await renderToString(app);
  for (const [number, reason] of reasons.entries()) {
    const named = agents.filter((_, each) => each % reasons.length === number);
    const words = i18n.global.t(`detail.reasons.${reason}`);
    expect(words).not.toContain("detail.");
    expect(shown).toMatch(new RegExp(`${words} \\(12\\)</dt><dd[^>]*>${named.join(", ")}</dd>`));
  }
  expect(shown).toContain("1001, 1002");
});
