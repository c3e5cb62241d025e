/** The card of each call: asked for with the offer, kept apart from the next, honest when it fails. */
import { createPinia, disposePinia, setActivePinia, type Pinia } from "pinia";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { computed, nextTick, ref, shallowRef } from "vue";

import type { Appointment } from "@/api/customers";
import { ApiError, type call } from "@/api/http";
import type { DeskTables, Me } from "@/api/types";
import { serverNow } from "@/lib/clock";
import { applyChanges, makeTables } from "@/lib/tables";

const server = vi.hoisted(() => ({ call: vi.fn() }));
const link = vi.hoisted(() => ({ current: null as unknown }));

vi.mock("@/api/http", async (original) => ({
  ...(await original<{ ApiError: typeof ApiError; call: typeof call }>()),
  call: server.call,
}));
vi.mock("@/stores/link", () => ({ reactiveLink: () => link.current }));

const { useCards } = await import("@/stores/cards");
const { useDesk } = await import("@/stores/desk");
const { useDrafts } = await import("@/stores/drafts");
const { useSession } = await import("@/stores/session");

const tables = makeTables<DeskTables>(["me", "offers", "calls", "queues"]);
const state = ref("live");
const sent = shallowRef<unknown>(null);
let pinia: Pinia;

const offer = (id: string) => ({ offer_id: `o-${id}`, call_id: id, queue: "support", number: "138****8000" });
const match = (id: string) => ({ customer_id: id, name: `name ${id}`, last_contacts: [], open_appointments: [] });
const pop = (callId: string, ids: string[], chosen: string | null = null) => ({
  call_id: callId,
  number: "138****8000",
  chosen,
  matches: ids.map(match),
});

function comes(id: string, more = {}): void {
  tables.offers.clear();
  applyChanges(tables, { offers: { [id]: { ...offer(id), ...more } } }, {});
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("window", { addEventListener: vi.fn(), removeEventListener: vi.fn() });
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: vi.fn(), removeItem: vi.fn() });
  for (const map of Object.values(tables)) map.clear();
  state.value = "live";
  sent.value = null;
  link.current = {
    tables,
    state,
    loaded: ref(true),
    heardAt: ref(0),
    retryIn: computed(() => 0),
    pop: sent,
    open: vi.fn(),
    close: vi.fn(),
  };
  server.call.mockReset();
  pinia = createPinia();
  setActivePinia(pinia);
  useSession().me = { rights: { "customers.see": "all" }, roles: ["agent"] } as unknown as Me;
});
afterEach(() => disposePinia(pinia));

async function settled(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
  await nextTick();
}

describe("the card", () => {
  it("is asked for as the offer arrives", async () => {
    const cards = useCards();
    server.call.mockResolvedValue(pop("c1", ["7"]));
    comes("c1");
    await settled();
    expect(server.call).toHaveBeenCalledWith("GET", "/agent/calls/c1/customer", undefined, {});
    expect(cards.customerOf("c1")?.name).toBe("name 7");
  });

  it("is sent with an offer and then not asked for", async () => {
    const cards = useCards();
    const desk = useDesk();
    comes("c1", { made_at: serverNow() });
    await settled();
    expect(desk.customerComes).toBe(true);
    sent.value = pop("c1", ["7"]);
    await settled();
    expect(desk.customerComes).toBe(false);
    expect(cards.customerOf("c1")?.name).toBe("name 7");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(server.call).not.toHaveBeenCalled();
  });

  it("is asked for where the server sent none", async () => {
    const cards = useCards();
    server.call.mockResolvedValue(pop("c1", ["7"]));
    comes("c1", { made_at: serverNow() });
    await vi.advanceTimersByTimeAsync(100);
    expect(server.call).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(100);
    expect(server.call).toHaveBeenCalledOnce();
    expect(cards.customerOf("c1")?.name).toBe("name 7");
  });

  it("that was sent ahead of its offer stands when it comes", async () => {
    const cards = useCards();
    sent.value = pop("c1", ["7"]);
    comes("c1", { made_at: serverNow() });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(cards.customerOf("c1")?.name).toBe("name 7");
    expect(server.call).not.toHaveBeenCalled();
  });

  it("is not asked for without the right", async () => {
    useSession().me = { rights: {}, roles: ["agent"] } as unknown as Me;
    useCards();
    comes("c1");
    await settled();
    expect(server.call).not.toHaveBeenCalled();
  });

  it("of a late answer never lands on the next call", async () => {
    const cards = useCards();
    let answer: (value: unknown) => void = () => undefined;
    server.call.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
    comes("c1");
    await settled();
    server.call.mockResolvedValue(pop("c2", []));
    comes("c2");
    await settled();
    answer(pop("c1", ["7"]));
    await settled();
    expect(cards.card?.callId).toBe("c2");
    expect(cards.card?.pop?.matches).toEqual([]);
    expect(cards.customerOf("c1")?.customer_id).toBe("7");
  });

  it("says a failure, and is asked for again when the server is back", async () => {
    const cards = useCards();
    server.call.mockRejectedValueOnce(new ApiError({ title: "away", status: 503, code: "database_away" }));
    comes("c1");
    await settled();
    expect(cards.card?.problem?.code).toBe("database_away");
    state.value = "waiting";
    await settled();
    server.call.mockResolvedValue(pop("c1", ["7"]));
    state.value = "live";
    await settled();
    expect(cards.card?.problem).toBeNull();
    expect(cards.customerOf("c1")?.customer_id).toBe("7");
  });

  it("of several is nobody's until one is chosen, or none of them", async () => {
    const cards = useCards();
    server.call.mockResolvedValue(pop("c1", ["7", "8"]));
    comes("c1");
    await settled();
    expect(cards.customerOf("c1")).toBeNull();
    server.call.mockResolvedValue(pop("c1", ["8", "7"], "8"));
    await cards.choose("c1", "8");
    expect(server.call).toHaveBeenLastCalledWith("PUT", "/agent/calls/c1/customer", { customer_id: "8" });
    expect(cards.customerOf("c1")?.customer_id).toBe("8");
    cards.chooseNone("c1", true);
    expect(cards.customerOf("c1")).toBeNull();
  });
});

describe("a call-back on the card", () => {
  it("stays ticked off while the call goes on", async () => {
    const cards = useCards();
    const open = ["a1", "a2"].map((id) => ({ appointment_id: id, customer_id: "7", due_at: 9, text: "", done_at: null }));
    const found = pop("c1", []);
    server.call.mockResolvedValue({ ...found, matches: [{ ...match("7"), open_appointments: open }] });
    comes("c1");
    await settled();
    cards.appointmentChanged("c1", { ...open[0], done_at: 5 } as unknown as Appointment);
    const shown = cards.card?.pop?.matches[0]?.open_appointments;
    expect(shown?.map((each) => each.done_at)).toEqual([5, null]);
  });
});

describe("the ring", () => {
  async function ringsWith(answer: Promise<unknown>) {
    useCards();
    const { usePhone } = await import("@/stores/phone");
    const phone = usePhone();
    const ring = vi.spyOn(phone, "startRinging").mockImplementation(() => undefined);
    server.call.mockReturnValue(answer);
    phone.call = { id: "s", number: "1", name: "", state: "ringing", muted: false, held: false, holding: false, holdWished: false };
    comes("c1");
    await settled();
    return ring;
  }

  it("waits for the customer's card", async () => {
    let answer: (value: unknown) => void = () => undefined;
    const ring = await ringsWith(new Promise((resolve) => (answer = resolve)));
    await vi.advanceTimersByTimeAsync(300);
    expect(ring).not.toHaveBeenCalled();
    answer(pop("c1", ["7"]));
    await vi.advanceTimersByTimeAsync(1);
    expect(ring).toHaveBeenCalledTimes(1);
  });

  it("waits no longer than a moment", async () => {
    const ring = await ringsWith(new Promise(() => undefined));
    await vi.advanceTimersByTimeAsync(400);
    expect(ring).toHaveBeenCalledTimes(1);
  });
});

describe("the call-back", () => {
  const CALL = { callId: "c1", label: "x", queue: "support", startedAt: 1 };
  const BACK = { customer_id: "7", due_at: 99, text: "refund", appointment_id: null };

  it("follows who the caller turns out to be, and is nobody's for somebody else", async () => {
    const cards = useCards();
    const drafts = useDrafts();
    server.call.mockResolvedValue(pop("c1", ["7", "8"]));
    applyChanges(tables, { calls: { c1: { call_id: "c1", queue: "support", state: "talking", started_at: 1 } } }, {});
    await settled();
    drafts.write("c1", { callBack: { ...BACK, customer_id: null } });
    await settled();
    expect(drafts.drafts.get("c1")?.callBack?.customer_id).toBeNull();
    server.call.mockResolvedValue(pop("c1", ["7", "8"], "7"));
    await cards.choose("c1", "7");
    await settled();
    expect(drafts.drafts.get("c1")?.callBack?.customer_id).toBe("7");
    cards.chooseNone("c1", true);
    await settled();
    expect(drafts.drafts.get("c1")?.callBack?.customer_id).toBeNull();
    server.call.mockResolvedValue(pop("c1", ["9"], "9"));
    await cards.added("c1");
    await settled();
    expect(drafts.drafts.get("c1")?.callBack?.customer_id).toBe("9");
  });

  it("of an earlier call that was gone back to learns whose it is", async () => {
    useCards();
    const drafts = useDrafts();
    drafts.of(CALL);
    drafts.write("c1", { callBack: { ...BACK, customer_id: null } });
    server.call.mockResolvedValue(pop("c1", ["7"]));
    useDesk().pickDraft("c1");
    await settled();
    expect(server.call).toHaveBeenCalledWith("GET", "/agent/calls/c1/customer", undefined, {});
    expect(drafts.drafts.get("c1")?.callBack?.customer_id).toBe("7");
  });

  it("is made once, also when the outcome has to be saved again", async () => {
    const cards = useCards();
    const drafts = useDrafts();
    const draft = drafts.of(CALL);
    drafts.write("c1", { callBack: BACK });
    server.call.mockResolvedValue({ appointment_id: "a1" });
    await cards.keepCallBack(draft);
    await cards.keepCallBack(draft);
    expect(server.call).toHaveBeenCalledTimes(1);
    expect(server.call).toHaveBeenCalledWith("POST", "/customers/7/appointments", {
      due_at: 99,
      text: "refund",
      call_id: "c1",
    });
    expect(drafts.unsaved).toHaveLength(1);
  });

  it("is not made a second time when only the answer was lost", async () => {
    const cards = useCards();
    const drafts = useDrafts();
    const draft = drafts.of(CALL);
    drafts.write("c1", { callBack: BACK });
    server.call.mockRejectedValueOnce(new ApiError({ title: "timeout", status: 0, code: "network" }));
    await expect(cards.keepCallBack(draft)).rejects.toThrow("timeout");
    drafts.write("c1", { callBack: { ...BACK, ...draft.callBack, text: "refund of 68" } });
    server.call.mockResolvedValueOnce({
      items: [
        { appointment_id: "a0", customer_id: "7", call_id: "c0" },
        { appointment_id: "a1", customer_id: "7", call_id: "c1" },
      ],
    });
    server.call.mockResolvedValueOnce({ appointment_id: "a1" });
    await cards.keepCallBack(draft);
    expect(server.call).toHaveBeenLastCalledWith("PATCH", "/appointments/a1", { due_at: 99, text: "refund of 68" });
    expect(draft.callBack?.appointment_id).toBe("a1");
  });

  it("that was changed while it was being made is changed with the next saving", async () => {
    const cards = useCards();
    const drafts = useDrafts();
    const draft = drafts.of(CALL);
    drafts.write("c1", { callBack: BACK });
    let answer: (value: unknown) => void = () => undefined;
    server.call.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
    const keeping = cards.keepCallBack(draft);
    drafts.write("c1", { callBack: { ...BACK, text: "refund of 68" } });
    answer({ appointment_id: "a1" });
    await keeping;
    expect(draft.callBack).toMatchObject({ text: "refund of 68", appointment_id: null });
    server.call.mockResolvedValueOnce({ items: [{ appointment_id: "a1", customer_id: "7", call_id: "c1" }] });
    server.call.mockResolvedValueOnce({ appointment_id: "a1" });
    await cards.keepCallBack(draft);
    expect(server.call).toHaveBeenLastCalledWith("PATCH", "/appointments/a1", { due_at: 99, text: "refund of 68" });
  });

  it("is made after all when it had not arrived", async () => {
    const cards = useCards();
    const drafts = useDrafts();
    const draft = drafts.of(CALL);
    drafts.write("c1", { callBack: { ...BACK, unsure: true } });
    server.call.mockResolvedValueOnce({ items: [] });
    server.call.mockResolvedValueOnce({ appointment_id: "a2" });
    await cards.keepCallBack(draft);
    expect(server.call).toHaveBeenLastCalledWith("POST", "/customers/7/appointments", { due_at: 99, text: "refund", call_id: "c1" });
    expect(draft.callBack?.appointment_id).toBe("a2");
  });

  it("stays in the draft when the server refuses it", async () => {
    const cards = useCards();
    const drafts = useDrafts();
    const draft = drafts.of(CALL);
    drafts.write("c1", { callBack: BACK });
    server.call.mockRejectedValue(new ApiError({ title: "away", status: 503, code: "database_away" }));
    await expect(cards.keepCallBack(draft)).rejects.toThrow("away");
    expect(drafts.unsaved[0]?.callBack).toEqual(BACK);
  });
});
