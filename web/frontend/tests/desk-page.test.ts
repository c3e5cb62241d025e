/** What the desk shows in whole: the call in hand before anything else. */
import { createPinia, disposePinia, setActivePinia, type Pinia } from "pinia";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createSSRApp, h } from "vue";
import { renderToString } from "vue/server-renderer";

import { i18n } from "@/i18n";

const desk = vi.hoisted(() => ({ loaded: true, seated: true, seat: null, elsewhere: null, offer: null }));
const phone = vi.hoisted(() => ({ call: null as object | null, ringing: false, microphone: "granted" }));

vi.mock("@/stores/desk", () => ({ useDesk: () => desk }));
vi.mock("@/stores/phone", () => ({ usePhone: () => phone }));
vi.mock("@/stores/tab", () => ({ useTab: () => ({ state: "here" }) }));
const PARTS = [
  ...["AppointmentsDue", "CallPanel", "CallerPanel", "DeskNotices", "OtherBrowser", "OtherTab"],
  ...["OutcomePanel", "OwnDay", "SeatCard"],
];
for (const name of PARTS) {
  vi.doMock(`@/parts/${name}.vue`, () => ({ default: { render: () => h("i", name) } }));
}

const { default: Desk } = await import("@/pages/Desk.vue");
let pinia: Pinia;

beforeEach(() => {
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("document", {});
  pinia = createPinia();
  setActivePinia(pinia);
});

afterEach(() => disposePinia(pinia));

async function shown(): Promise<string> {
  return renderToString(createSSRApp(Desk).use(pinia).use(i18n));
}

it("asks for a seat who has none", async () => {
  desk.seated = false;
  expect(await shown()).toContain("SeatCard");
});

it("leaves the call's controls to who was signed out while talking", async () => {
  desk.seated = false;
  phone.call = { state: "talking" };
  const page = await shown();
  expect(page).toContain("CallPanel");
  expect(page).not.toContain("SeatCard");
});
