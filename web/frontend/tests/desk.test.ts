/** The desk's rules: card before ring, answering early, refusing, and what a reload brings back. */
import { createPinia, disposePinia, setActivePinia, type Pinia } from "pinia";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { computed, nextTick, ref, shallowRef } from "vue";

import { ApiError, type call } from "@/api/http";
import type { LiveEnd } from "@/api/live";
import type { DeskTables } from "@/api/types";
import { applyChanges, makeTables } from "@/lib/tables";
import type { PhoneCall } from "@/phone/phone";

const server = vi.hoisted(() => ({ call: vi.fn() }));
const link = vi.hoisted(() => ({ current: null as unknown, ends: undefined as unknown as (end: LiveEnd) => void }));

vi.mock("@/api/http", async (original) => ({
  ...(await original<{ ApiError: typeof ApiError; call: typeof call }>()),
  call: server.call,
}));
vi.mock("@/stores/link", () => ({
  reactiveLink: (_topic: string, _names: string[], onEnded: (end: LiveEnd) => void) => {
    link.ends = onEnded;
    return link.current;
  },
}));

const { useDesk } = await import("@/stores/desk");
const { useCallActs } = await import("@/parts/callActs");
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
const TALKING: PhoneCall = { id: "s", number: "1", name: "", state: "talking", muted: false, held: false, holding: false, holdWished: false };
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
    pop: shallowRef(null),
    open: vi.fn(),
    close: vi.fn(),
  };
  server.call.mockReset();
  pinia = createPinia();
  setActivePinia(pinia);
});

/** Stores of one test must not act on the rows of the next. */
afterEach(() => disposePinia(pinia));

describe("the desk in another browser", () => {
  async function puttingOff() {
    const parts = await seatedDesk();
    const stop = vi.spyOn(parts.phone, "stop").mockReturnValue(undefined);
    return { ...parts, stop, open: (link.current as { open: unknown }).open };
  }

  it("lets go of the phone and of the seat here", async () => {
    const { desk, stop } = await puttingOff();
    link.ends("elsewhere");
    await nextTick();
    expect(stop).toHaveBeenCalledTimes(1);
    expect(desk.seat).toBeNull();
    expect(desk.elsewhere).toBe("elsewhere");
  });

  it("lets a call in hand end first", async () => {
    const { phone, stop } = await puttingOff();
    phone.call = { ...TALKING };
    await nextTick();
    link.ends("in_call");
    await nextTick();
    expect(stop).not.toHaveBeenCalled();
    phone.call = null;
    await nextTick();
    expect(stop).toHaveBeenCalledTimes(1);
  });

  it("sends a caller who rings just then back", async () => {
    const { desk, reject } = await puttingOff();
    rings(desk, true);
    link.ends("elsewhere");
    expect(reject).toHaveBeenCalledTimes(1);
  });

  it("brings a call along whose browser is gone, when it is asked for", async () => {
    const { desk, phone, open } = await puttingOff();
    link.ends("elsewhere");
    await nextTick();
    server.call.mockResolvedValue(SEAT);
    desk.fetchDesk();
    expect(open).toHaveBeenLastCalledWith(true);
    state.value = "connecting";
    show("calls", "c1", { call_id: "c1", state: "talking", queue: "support", started_at: 10 });
    phone.line = "registered";
    await nextTick();
    expect(server.call).not.toHaveBeenCalledWith("POST", "/agent/calls/c1/retake");
    state.value = "live";
    await nextTick();
    await nextTick();
    expect(desk.elsewhere).toBeNull();
    expect(server.call).toHaveBeenCalledWith("POST", "/agent/calls/c1/retake");
  });
});

describe("a phone that nobody reaches", () => {
  it("registers anew until it is reached", async () => {
    const { phone } = await seatedDesk();
    const register = vi.spyOn(phone, "register").mockReturnValue(undefined);
    phone.line = "registered";
    show("me", "1001", { ...ME, phone_reachable: false });
    await nextTick();
    vi.advanceTimersByTime(1500);
    expect(register).not.toHaveBeenCalled(); // it has only just registered
    vi.advanceTimersByTime(11_000);
    expect(register).toHaveBeenCalledTimes(2);
    show("me", "1001", ME);
    await nextTick();
    vi.advanceTimersByTime(60_000);
    expect(register).toHaveBeenCalledTimes(2);
  });
});

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
    useSession().me = { rights: { "numbers.see": "all" } } as never;
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

  it("lets the next offer be answered that takes the last one's place in one message", async () => {
    const { desk, answer } = await seatedDesk();
    show("offers", "o1", OFFER);
    await nextTick();
    await desk.answer();
    applyChanges(tables, { offers: { o2: { ...OFFER, offer_id: "o2" } } }, { offers: ["o1"] });
    await nextTick();
    expect([desk.offer?.offer_id, desk.answerWhenRinging]).toEqual(["o2", null]);
    await desk.answer();
    rings(desk, true);
    await nextTick();
    expect(answer).toHaveBeenCalledTimes(1);
  });

  it("refuses over the server, so that the caller keeps the place", async () => {
    const { reject } = await seatedDesk();
    server.call.mockResolvedValue(undefined);
    show("offers", "o1", OFFER);
    await useCallActs().end();
    expect(server.call).toHaveBeenCalledWith("POST", "/agent/offers/o1/reject");
    expect(reject).not.toHaveBeenCalled();
  });

  it("hangs up while a slow server thinks about the recording, and refuses while the microphone opens", async () => {
    const { phone, answer, reject } = await seatedDesk();
    const hangUp = vi.spyOn(phone, "hangUp").mockReturnValue(undefined);
    const acts = useCallActs();
    const forever = new Promise<never>(() => undefined);
    server.call.mockReturnValue(forever);
    answer.mockReturnValue(forever);
    state.value = "waiting";
    show("calls", "c1", { call_id: "c1", state: "talking", started_at: 1, queue: "support", recording: "on" });
    phone.call = { ...TALKING };
    void acts.toggleRecording();
    await acts.end();
    expect(hangUp).toHaveBeenCalledTimes(1);
    show("calls", "c1", null);
    rings(useDesk(), true);
    void acts.answer();
    await acts.end();
    expect(reject).toHaveBeenCalledTimes(1);
  });

  it("says what was refused until the next try", async () => {
    await seatedDesk();
    const acts = useCallActs();
    show("calls", "c1", { call_id: "c1", state: "talking", started_at: 1, queue: "support", recording: "on" });
    server.call.mockRejectedValue(new ApiError({ title: "away", status: 503, code: "pbx_down" }));
    await acts.toggleRecording();
    expect(acts.problem.value?.code).toBe("pbx_down");
    acts.clear();
    expect(acts.problem.value).toBeNull();
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

describe("a server that goes in the middle of a call", () => {
  const ROW = { call_id: "a", state: "talking", started_at: 1, queue: "support", name: "Ouyang", number: null };
  const NOW = Date.now() / 1000;
  const LASTING = { ...OFFER, until: NOW + 3600 };

  async function lost() {
    state.value = "waiting";
    await nextTick();
  }

  it("leaves the caller's card to an answered call, and the buttons of a talk", async () => {
    const { desk, phone, reject } = await seatedDesk();
    const hangUp = vi.spyOn(phone, "hangUp").mockReturnValue(undefined);
    show("offers", "o1", LASTING);
    rings(desk, true);
    phone.call = { ...TALKING };
    await lost();
    expect([desk.stage, desk.caller?.name]).toEqual(["talking", "Ouyang"]);
    await useCallActs().end();
    expect(hangUp).toHaveBeenCalledTimes(1);
    expect(reject).not.toHaveBeenCalled();
  });

  it("forgets the offer with its call, or when nobody came for it", async () => {
    const { desk, phone } = await seatedDesk();
    show("offers", "o1", LASTING);
    rings(desk, true);
    phone.call = { ...TALKING };
    await lost();
    phone.call = null;
    expect([desk.stage, desk.offer]).toEqual(["idle", null]);
    rings(desk, true); // Asterisk's own queue
    expect([desk.offer, desk.caller?.name]).toEqual([null, ""]);
    state.value = "live"; // The snapshot says what is true.
    show("offers", "o2", { ...OFFER, offer_id: "o2", until: NOW - 1 });
    show("offers", "o1", null);
    expect(desk.offer?.offer_id).toBe("o2");
    rings(desk, false);
    state.value = "waiting";
    expect(desk.offer).toBeNull();
  });

  it("does not answer the next call for a press on the offer of this one", async () => {
    const { desk, phone, answer } = await seatedDesk();
    show("offers", "o1", LASTING);
    phone.call = { ...TALKING };
    await desk.answer();
    phone.call = null;
    rings(desk, true);
    await nextTick();
    expect([desk.answerWhenRinging, answer.mock.calls]).toEqual([null, []]);
  });

  it("shows the next caller as the phone has it, and keeps the last one's outcome for after", async () => {
    const { desk, phone } = await seatedDesk();
    phone.call = { ...TALKING };
    show("calls", "a", ROW);
    await lost();
    expect(desk.talk?.call_id).toBe("a");
    phone.call = null;
    await nextTick();
    expect([desk.stage, desk.talk, desk.draft?.callId]).toEqual(["wrap_up", null, "a"]);
    phone.call = { ...TALKING, number: "13900139000", name: "Next" };
    await nextTick();
    expect([desk.stage, desk.current, desk.draft]).toEqual(["talking", null, null]);
    expect(desk.caller?.name).toBe("Next");
    state.value = "live";
    expect(desk.talk?.call_id).toBe("a");
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

  it("is asked for again when the server comes back, and only once", async () => {
    const desk = useDesk();
    server.call.mockRejectedValueOnce(new ApiError({ title: "away", status: 503, code: "database_away" }));
    show("me", "1001", ME);
    await vi.advanceTimersByTimeAsync(0);
    expect(desk.seatProblem?.code).toBe("database_away");
    state.value = "waiting";
    await nextTick();
    server.call.mockResolvedValue(SEAT);
    state.value = "live";
    await vi.advanceTimersByTimeAsync(0);
    expect(desk.seat).toEqual(SEAT);
    expect(desk.seatProblem).toBeNull();
    expect(server.call).toHaveBeenCalledTimes(2);
  });

  it("is asked for again until it is here", async () => {
    const desk = useDesk();
    server.call.mockRejectedValue(new ApiError({ title: "away", status: 503, code: "database_away" }));
    show("me", "1001", ME);
    await vi.advanceTimersByTimeAsync(6500);
    expect(server.call).toHaveBeenCalledTimes(3);
    server.call.mockResolvedValue(SEAT);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(desk.seat).toEqual(SEAT);
    expect(server.call).toHaveBeenCalledTimes(4);
  });

  it("has its phone started again until that is there", async () => {
    const { phone } = await seatedDesk();
    const start = vi.spyOn(phone, "start").mockResolvedValue();
    server.call.mockResolvedValue({ ...SEAT, sip: { user: "8001" } });
    await useDesk().takeSeat("8001");
    start.mockClear();
    await vi.advanceTimersByTimeAsync(6500);
    expect(start).toHaveBeenCalledTimes(2);
    phone.line = "connecting";
    await vi.advanceTimersByTimeAsync(60_000);
    expect(start).toHaveBeenCalledTimes(2);
  });

  it("is not started a second time when the live row comes before the answer", async () => {
    const desk = useDesk();
    let answer: (value: unknown) => void = () => undefined;
    server.call.mockReturnValue(new Promise((resolve) => (answer = resolve)));
    const taking = desk.takeSeat("8001");
    show("me", "1001", ME);
    await nextTick();
    answer(SEAT);
    await taking;
    await nextTick();
    expect(server.call.mock.calls.map(([method]) => method as string)).toEqual(["POST"]);
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

  it("asks for the caller of the call that a reload tore apart, once the phone can ring, and answers", async () => {
    const kept: Record<string, string> = { "zuoxi.talking": "c1" };
    vi.stubGlobal("localStorage", { getItem: (key: string) => kept[key] ?? null, setItem: vi.fn(), removeItem: vi.fn() });
    const { desk, phone, answer } = await seatedDesk();
    server.call.mockResolvedValue(undefined);
    const row = { call_id: "c1", queue: "support", state: "talking", started_at: 1, recording: "none" };
    show("calls", "c1", row);
    await nextTick();
    expect(server.call).not.toHaveBeenCalled(); // the phone is not registered yet
    phone.line = "registered";
    await nextTick();
    expect(server.call).toHaveBeenCalledWith("POST", "/agent/calls/c1/retake");
    expect(desk.retaking).toBe(true);
    show("calls", "c1", null);
    show("offers", "o1", OFFER);
    rings(desk, true);
    await nextTick();
    expect(answer).toHaveBeenCalledTimes(1);
  });

  it("asks again for that caller while the server refuses", async () => {
    const kept: Record<string, string> = { "zuoxi.talking": "c1" };
    vi.stubGlobal("localStorage", { getItem: (key: string) => kept[key] ?? null, setItem: vi.fn(), removeItem: vi.fn() });
    const { desk, phone } = await seatedDesk();
    server.call.mockRejectedValueOnce(new ApiError({ title: "away", status: 503, code: "pbx_down" }));
    show("calls", "c1", { call_id: "c1", queue: "support", state: "talking", started_at: 1, recording: "none" });
    phone.line = "registered";
    await vi.advanceTimersByTimeAsync(0);
    expect(desk.seatProblem?.code).toBe("pbx_down");
    server.call.mockResolvedValue(undefined);
    await vi.advanceTimersByTimeAsync(3000);
    expect(server.call).toHaveBeenCalledTimes(2);
    expect(desk.seatProblem).toBeNull();
    await vi.advanceTimersByTimeAsync(9000);
    expect(server.call).toHaveBeenCalledTimes(2); // the caller is on the way
  });

  it("asks for the caller of a tab that was closed in the call, when the desk comes to this one", async () => {
    const kept: Record<string, string> = {};
    vi.stubGlobal("localStorage", { getItem: (key: string) => kept[key] ?? null, setItem: vi.fn(), removeItem: vi.fn() });
    const { desk, phone } = await seatedDesk();
    kept["zuoxi.talking"] = "c1"; // the other tab
    await desk.open("1001");
    server.call.mockResolvedValue(undefined);
    show("calls", "c1", { call_id: "c1", queue: "support", state: "talking", started_at: 1, recording: "none" });
    phone.line = "registered";
    await nextTick();
    expect(server.call).toHaveBeenCalledWith("POST", "/agent/calls/c1/retake");
  });

  it("does not answer an offer by itself that nobody asked back", async () => {
    const { desk, phone, answer } = await seatedDesk();
    phone.line = "registered";
    show("offers", "o1", OFFER);
    rings(desk, true);
    await nextTick();
    expect(answer).not.toHaveBeenCalled();
    expect(server.call).not.toHaveBeenCalled();
  });

  it("ends a call on the phone whose end was lost with the network, when the server says so", async () => {
    const { phone } = await seatedDesk();
    const hangUp = vi.spyOn(phone, "hangUp").mockReturnValue(undefined);
    const row = { call_id: "c1", queue: "support", state: "talking", started_at: 1, recording: "none" };
    phone.call = { id: "s", number: "1", name: "", state: "talking", muted: false, held: false, holding: false, holdWished: false };
    await vi.advanceTimersByTimeAsync(60_000);
    expect(hangUp).not.toHaveBeenCalled(); // a call of which the server knows nothing
    show("me", "1001", { ...ME, state: "talking" });
    show("calls", "c1", row);
    await nextTick();
    state.value = "waiting";
    show("calls", "c1", { ...row, state: "wrap_up" });
    show("me", "1001", { ...ME, state: "wrap_up" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(hangUp).not.toHaveBeenCalled();
    state.value = "live";
    await vi.advanceTimersByTimeAsync(2900);
    expect(hangUp).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(200);
    expect(hangUp).toHaveBeenCalledTimes(1);
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
