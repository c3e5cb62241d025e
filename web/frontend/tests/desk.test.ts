/** The desk's rules: card before ring, answering early, refusing, and what a reload brings back. */
import { createPinia, disposePinia, setActivePinia, type Pinia } from "pinia";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { computed, nextTick, ref } from "vue";

import { ApiError, type call } from "@/api/http";
import type { DeskTables } from "@/api/types";
import { applyChanges, makeTables } from "@/lib/tables";

const server = vi.hoisted(() => ({ call: vi.fn() }));
const link = vi.hoisted(() => ({ current: null as unknown }));

vi.mock("@/api/http", async (original) => ({
  ...(await original<{ ApiError: typeof ApiError; call: typeof call }>()),
  call: server.call,
}));
vi.mock("@/stores/link", () => ({ reactiveLink: () => link.current }));

const { useDesk } = await import("@/stores/desk");
const { usePhone } = await import("@/stores/phone");
const { useSession } = await import("@/stores/session");

const tables = makeTables<DeskTables>(["me", "offers", "calls", "queues"]);
const state = ref("live");
let pinia: Pinia;

const OFFER = {
  offer_id: "o1",
  call_id: "c1",
  queue: "support",
  number: "138****8000",
  name: "Ouyang",
  waited_since: 10,
  made_at: 20,
  until: 40,
};
const ME = { agent_id: "1001", state: "ready", extension: "8001", phone_reachable: true };
const SEAT = { extension: "8001", kind: "browser", sip: null };

function show(table: string, key: string, row: object | null): void {
  if (row) applyChanges(tables, { [table]: { [key]: row } }, {});
  else applyChanges(tables, {}, { [table]: [key] });
}

function rings(desk: ReturnType<typeof useDesk>, on: boolean): void {
  usePhone().call = on
    ? { id: "s", number: "1", name: "", state: "ringing", muted: false, held: false, holding: false, holdWished: false }
    : null;
  expect(desk).toBeDefined();
}

async function seatedDesk() {
  const desk = useDesk();
  const phone = usePhone();
  const ring = vi.spyOn(phone, "startRinging").mockImplementation(() => undefined);
  const answer = vi.spyOn(phone, "answer").mockResolvedValue();
  const reject = vi.spyOn(phone, "reject").mockReturnValue(undefined);
  server.call.mockResolvedValue(SEAT);
  await desk.takeSeat("8001");
  server.call.mockReset();
  show("me", "1001", ME);
  await nextTick();
  return { desk, phone, ring, answer, reject };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("window", { addEventListener: vi.fn(), removeEventListener: vi.fn() });
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: vi.fn(), removeItem: vi.fn() });
  for (const map of Object.values(tables)) map.clear();
  state.value = "live";
  link.current = {
    tables,
    state,
    loaded: ref(true),
    heardAt: ref(0),
    retryIn: computed(() => 0),
    open: vi.fn(),
    close: vi.fn(),
  };
  server.call.mockReset();
  pinia = createPinia();
  setActivePinia(pinia);
});

/** Stores of one test must not act on the rows of the next. */
afterEach(() => disposePinia(pinia));

describe("card before ring", () => {
  it("does not ring while only the card is there", async () => {
    const { ring } = await seatedDesk();
    show("offers", "o1", OFFER);
    await nextTick();
    vi.advanceTimersByTime(5000);
    expect(ring).not.toHaveBeenCalled();
  });

  it("rings when the phone rings and the card has been shown", async () => {
    const { desk, ring } = await seatedDesk();
    show("offers", "o1", OFFER);
    await nextTick();
    rings(desk, true);
    await nextTick();
    expect(ring).not.toHaveBeenCalled(); // the card is drawn first
    vi.advanceTimersByTime(1);
    expect(ring).toHaveBeenCalledTimes(1);
  });

  it("lets the tone wait for a card that comes after the INVITE", async () => {
    const { desk, ring } = await seatedDesk();
    rings(desk, true);
    await nextTick();
    vi.advanceTimersByTime(300);
    expect(ring).not.toHaveBeenCalled();
    show("offers", "o1", OFFER);
    await nextTick();
    vi.advanceTimersByTime(1);
    expect(ring).toHaveBeenCalledTimes(1);
    expect(desk.cardLate).toBe(false);
  });

  it("rings without a card after a while: the PBX serves callers while the server is away", async () => {
    const { desk, ring } = await seatedDesk();
    rings(desk, true);
    await nextTick();
    vi.advanceTimersByTime(1500);
    expect(ring).toHaveBeenCalledTimes(1);
    expect(desk.cardLate).toBe(true);
  });

  it("does not ring any more when the caller left meanwhile", async () => {
    const { desk, ring } = await seatedDesk();
    rings(desk, true);
    await nextTick();
    rings(desk, false);
    await nextTick();
    vi.advanceTimersByTime(5000);
    expect(ring).not.toHaveBeenCalled();
  });
});

describe("who is shown", () => {
  const CALL = { id: "s", state: "ringing", muted: false, held: false, holding: false, holdWished: false } as const;

  it("is what the server says; the title waits for it", async () => {
    const { desk, phone } = await seatedDesk();
    phone.call = { ...CALL, number: "13800138000", name: "13800138000" };
    expect(desk.offeredName).toBe("");
    show("offers", "o1", { ...OFFER, name: null });
    expect(desk.caller).toMatchObject({ number: "138****8000", name: null });
    expect(desk.offeredName).toBe("138 **** 8000");
    show("offers", "o1", OFFER);
    expect(desk.offeredName).toBe("Ouyang");
  });

  it("is what SIP says only where the server says nothing, and masked", async () => {
    const { desk, phone } = await seatedDesk();
    phone.call = { ...CALL, number: "13800138000", name: "CN 138 0013 8000" };
    expect(desk.caller).toEqual({ number: "138****8000", name: "CN 138****8000" });
    useSession().me = { rights: ["numbers.see"] } as never;
    expect(desk.caller).toMatchObject({ number: "13800138000", name: "CN 138 0013 8000" });
  });
});

describe("answering and refusing", () => {
  it("answers as soon as the phone rings when the agent pressed before", async () => {
    const { desk, answer, ring } = await seatedDesk();
    show("offers", "o1", OFFER);
    await nextTick();
    await desk.answer();
    expect(answer).not.toHaveBeenCalled();
    rings(desk, true);
    await nextTick();
    expect(answer).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(5000);
    expect(ring).not.toHaveBeenCalled();
  });

  it("does not answer the next call for a press that was meant for the last", async () => {
    const { desk, answer } = await seatedDesk();
    show("offers", "o1", OFFER);
    await nextTick();
    await desk.answer();
    show("offers", "o1", null);
    show("offers", "o2", { ...OFFER, offer_id: "o2" });
    await nextTick();
    rings(desk, true);
    await nextTick();
    expect(answer).not.toHaveBeenCalled();
  });

  it("refuses over the server, so that the caller keeps the place", async () => {
    const { desk, reject } = await seatedDesk();
    server.call.mockResolvedValue(undefined);
    show("offers", "o1", OFFER);
    await desk.endOrReject();
    expect(server.call).toHaveBeenCalledWith("POST", "/agent/offers/o1/reject");
    expect(reject).not.toHaveBeenCalled();
  });

  it("refuses over SIP when the server is away or says no", async () => {
    const { desk, reject } = await seatedDesk();
    show("offers", "o1", OFFER);
    state.value = "waiting";
    await desk.reject();
    expect(reject).toHaveBeenCalledTimes(1);
    state.value = "live";
    server.call.mockRejectedValue(new ApiError({ title: "gone", status: 404, code: "unknown_offer" }));
    await expect(desk.reject()).rejects.toThrow("gone");
    expect(reject).toHaveBeenCalledTimes(2);
  });

  it("hangs a desk phone's call up over the server", async () => {
    const { desk } = await seatedDesk();
    server.call.mockResolvedValue(undefined);
    show("calls", "c 1", { call_id: "c 1", state: "talking", started_at: 1, queue: "support" });
    await desk.hangUp();
    expect(server.call).toHaveBeenCalledWith("POST", "/agent/calls/c%201/hang-up");
  });
});

describe("the outcome", () => {
  const CALL = { call_id: "c1", state: "wrap_up", started_at: 1, queue: "support", name: "Ouyang", number: null };

  it("keeps the draft when the server refuses it", async () => {
    const { desk } = await seatedDesk();
    show("calls", "c1", CALL);
    await nextTick();
    const draft = desk.draft;
    expect(draft?.label).toBe("Ouyang");
    server.call.mockRejectedValue(new ApiError({ title: "away", status: 503, code: "no_answer" }));
    if (draft) await expect(desk.saveOutcome(draft, true)).rejects.toThrow("away");
    expect(desk.draft?.savedAt).toBeNull();
  });

  it("goes to the new call's draft, and back to the old one when it is picked", async () => {
    const { desk } = await seatedDesk();
    show("calls", "c1", CALL);
    await nextTick();
    show("calls", "c1", null);
    show("calls", "c2", { ...CALL, call_id: "c2", state: "talking" });
    await nextTick();
    expect(desk.draft?.callId).toBe("c2");
    desk.pickDraft("c1");
    expect(desk.draft?.callId).toBe("c1");
  });
});

describe("the seat", () => {
  it("comes back after a reload", async () => {
    const desk = useDesk();
    server.call.mockResolvedValue(SEAT);
    show("me", "1001", ME);
    await nextTick();
    await vi.waitFor(() => expect(desk.seat).toEqual(SEAT));
    expect(server.call).toHaveBeenCalledWith("GET", "/agent/seat");
  });

  it("is gone when somebody else took it", async () => {
    const { desk } = await seatedDesk();
    show("me", "1001", { ...ME, state: "signed_out", extension: null });
    await nextTick();
    expect(desk.seat).toBeNull();
    expect(desk.seated).toBe(false);
  });

  it("leaves a call in hand alone when the seat is gone, and lets go of the phone after it", async () => {
    const { desk, phone } = await seatedDesk();
    const stop = vi.spyOn(phone, "stop").mockImplementation(() => undefined);
    phone.call = { id: "s", number: "1", name: "", state: "talking", muted: false, held: false, holding: false, holdWished: false };
    show("me", "1001", { ...ME, state: "signed_out", extension: null });
    await nextTick();
    expect(stop).not.toHaveBeenCalled();
    phone.call = null;
    await nextTick();
    expect(stop).toHaveBeenCalledTimes(1);
    expect(desk.seat).toBeNull();
  });

  it("says so when the phone cannot be had back", async () => {
    const desk = useDesk();
    server.call.mockRejectedValue(new ApiError({ title: "no seat", status: 409, code: "not_signed_in" }));
    show("me", "1001", ME);
    await nextTick();
    await vi.waitFor(() => expect(desk.seatProblem?.code).toBe("not_signed_in"));
  });

  it("shows trouble when a ready agent's phone cannot ring", async () => {
    const { desk } = await seatedDesk();
    show("me", "1001", { ...ME, phone_reachable: false });
    expect(desk.eye).toBe("trouble");
  });
});
