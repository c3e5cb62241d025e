/** The phone lives in the page: no way leads out of it while there is a call. */
import { createPinia, setActivePinia } from "pinia";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { createMemoryHistory, isNavigationFailure, NavigationFailureType } from "vue-router";

import type { Me } from "@/api/types";
import { makeRouter } from "@/router";
import { usePhone } from "@/stores/phone";
import { useSession } from "@/stores/session";

vi.mock("@/pages/SignIn.vue", () => ({ default: { render: () => null } }));
vi.mock("@/pages/Shell.vue", () => ({ default: { render: () => null } }));
vi.mock("@/pages/Desk.vue", () => ({ default: { render: () => null } }));
vi.mock("@/pages/Calls.vue", () => ({ default: { render: () => null } }));

async function atDesk() {
  const session = useSession();
  session.me = { agent_id: "1001", rights: { "desk.use": "own", "calls.see": "own" }, roles: ["agent"] } as unknown as Me;
  session.loaded = true;
  const router = makeRouter(createMemoryHistory());
  await router.push("/desk");
  return { router, session };
}

function calls(): void {
  usePhone().call = { id: "s", number: "1", name: "", state: "talking", muted: false, held: false, holding: false, holdWished: false };
}

beforeEach(() => {
  vi.stubGlobal("window", { addEventListener: vi.fn(), removeEventListener: vi.fn() });
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: vi.fn(), removeItem: vi.fn() });
  setActivePinia(createPinia());
});

describe("a session that ends", () => {
  it("leads to the sign-in", async () => {
    const { router, session } = await atDesk();
    session.lose();
    await router.push("/calls");
    expect(router.currentRoute.value.name).toBe("sign-in");
    expect(router.currentRoute.value.query.next).toBe("/calls");
  });

  it("leaves only the desk while a call goes on", async () => {
    const { router, session } = await atDesk();
    await router.push("/calls");
    calls();
    session.lose();
    const refused = await router.push("/calls?q=x");
    expect(isNavigationFailure(refused, NavigationFailureType.aborted)).toBe(true);
    await router.push("/desk");
    expect(router.currentRoute.value.name).toBe("desk");
  });
});
