/** The agent's desk: the seat, the state, the offer, the calls, and what the agent can do. */
import { defineStore } from "pinia";
import { computed, ref, shallowRef, watch } from "vue";

import { ApiError, call } from "@/api/http";
import type { LiveEnd } from "@/api/live";
import type { DeskCallRow, DeskTables, OfferRow, Problem, Seat } from "@/api/types";
import { eyeOfAgent, eyeOfCall, type EyeState } from "@/eye/states";
import { word } from "@/i18n";
import { now, serverNow } from "@/lib/clock";
import { masked, maskedName, phoneNumber } from "@/lib/format";
import { readText, writeText } from "@/lib/storage";
import type { PhoneCall } from "@/phone/phone";

import { useDrafts, type Draft } from "./drafts";
import { reactiveLink } from "./link";
import { usePhone } from "./phone";
import { useSession } from "./session";

/** The phone may ring without a card: the server is away and the PBX's own queue rings us. */
const CARD_PATIENCE_MS = 1500;
/** The ring waits so long for what the database knows of the caller; it is seldom needed. */
const CUSTOMER_PATIENCE_MS = 400;

/** So long the phone may still think that it talks when the server says that this is over. */
const GOODBYE_MS = 3000;

/** So long a caller who was asked back may take to ring. */
const RETAKE_MS = 15_000;
const RETAKE_AGAIN_MS = 3000;
const TALKING_KEY = "talking";

/** The phone may have registered and another one may have taken its place: then it does so again. */
const UNREACHED_MS = 2000;
const REGISTER_EVERY_MS = 10_000;

/** The seat and its phone are tried for so often, until they are here. */
const SEAT_AGAIN_MS = 3000;
const SEAT_KEY = "extension";

type Caller = Pick<OfferRow, "number" | "name">;
/** What there is to do with a call. */
export type CallStage = "idle" | "offered" | "talking" | "wrap_up";

export const useDesk = defineStore("desk", () => {
  const session = useSession();
  const phone = usePhone();
  const drafts = useDrafts();
  const link = reactiveLink<DeskTables>("desk", ["me", "offers", "calls", "queues"], onEnded);
  const seat = ref<Seat | null>(null);
  const seatProblem = shallowRef<Problem | null>(null);
  const answerWhenRinging = ref<string | null>(null);
  const rejecting = ref<string | null>(null);
  const chosenDraft = ref<string | null>(null);
  const cardLate = ref(false);
  /** The customer's card of the offered call is on its way. */
  const customerComes = ref(false);
  const vacated = ref(false);
  const phoneIn = ref("");
  /** The call that this browser was in when its page was reloaded or its tab closed. */
  const torn = ref(readText(TALKING_KEY));
  const retaking = ref(false);
  /** The offer that the call on the phone came with, the one that came with the last, and the last call. */
  const rangFor = ref<string | null>(null);
  const rungOut = ref<string | null>(null);
  const leftCall = ref<string | null>(null);
  /** The desk is in another browser, in a call there or not. */
  const elsewhere = ref<Exclude<LiveEnd, "session"> | null>(null);
  /** It was asked for here: a call whose browser is gone comes along. */
  let fetching = false;
  /** A seat is on its way, with its phone: no second one is started. */
  let seating = false;

  const me = computed(() => [...link.tables.me.values()][0] ?? null);
  const live = computed(() => link.state.value === "live");
  /** Seated, but the seat is not known here yet, or its phone could not be started. */
  const lacking = computed(() => {
    const phoneless = seat.value?.sip != null && phone.line === "off";
    return me.value?.extension != null && (seat.value === null || phoneless);
  });
  const offered = computed<OfferRow | null>(() => [...link.tables.offers.values()][0] ?? null);
  const calls = computed(() => [...link.tables.calls.values()]);
  const pulse = computed(() => [...link.tables.queues.values()]);
  const seated = computed(() => me.value !== null && me.value.state !== "signed_out");
  const talked = computed<DeskCallRow | null>(
    () => calls.value.find((each) => each.state === "talking" || each.state === "held") ?? null,
  );
  /** Without the link the rows stay as they were. The phone knows more: what it ended is over. */
  const offer = computed<OfferRow | null>(() => {
    const row = offered.value;
    if (live.value || !row || row.offer_id === rangFor.value) return row;
    return row.offer_id === rungOut.value || now.value > row.until ? null : row;
  });
  const hungUp = computed(() => !live.value && talked.value?.call_id === leftCall.value);
  const talk = computed(() => (hungUp.value ? null : talked.value));
  /** Without the link another call on the phone goes before what is left of the last. */
  const wrapUp = computed<DeskCallRow | null>(() => {
    if (!live.value && phone.call !== null) return null;
    return calls.value.find((each) => each.state === "wrap_up") ?? (hungUp.value ? talked.value : null);
  });
  const current = computed(() => talk.value ?? wrapUp.value);
  /** What the phone is in comes first: it knows before the server. */
  const stage = computed<CallStage>(() => {
    if (phone.call?.state === "talking") return "talking";
    if (offer.value || phone.ringing) return talk.value && phone.inCall ? "talking" : "offered";
    if (talk.value || phone.inCall) return "talking";
    return wrapUp.value ? "wrap_up" : "idle";
  });
  /** Who is on the card. What SIP says counts only where the server says nothing, and masked. */
  const caller = computed<Caller | null>(() => offer.value ?? current.value ?? bySip(phone.call));
  /** Who is offered, for the title; SIP is not asked, it comes before the card. */
  const offeredName = computed(() => offer.value?.name || phoneNumber(offer.value?.number));

  /** What the agent is to the eye now. On hold is a call's state, shown as the agent's. */
  const eye = computed<EyeState>(() => {
    if (!me.value) return "signed_out";
    if (me.value.state === "talking" && talk.value) return eyeOfCall(talk.value.state);
    return eyeOfAgent({ state: me.value.state, reachable: me.value.phone_reachable });
  });

  /** The draft in the outcome panel: the one that was picked, else that of the call in hand. */
  const draft = computed<Draft | null>(() => {
    const id = chosenDraft.value ?? current.value?.call_id ?? null;
    return id === null ? null : (drafts.drafts.get(id) ?? null);
  });

  function bySip(said: PhoneCall | null): Caller | null {
    if (!said || session.may("numbers.see")) return said;
    return { number: said.number && masked(said.number), name: maskedName(said.name) };
  }

  // --- coming and going

  async function open(agentId: string): Promise<void> {
    drafts.open(agentId, serverNow());
    if (phone.call === null) torn.value = readText(TALKING_KEY);
    link.open();
  }

  function close(): void {
    elsewhere.value = null;
    letGo();
  }

  function letGo(): void {
    link.close();
    phone.stop();
    seat.value = null;
  }

  /** Work here instead of in the other browser. */
  function fetchDesk(): void {
    fetching = true;
    link.open(true);
  }

  function onEnded(end: LiveEnd): void {
    if (end === "session") {
      session.lose();
      return;
    }
    fetching = false;
    elsewhere.value = end;
    if (phone.ringing) phone.reject();
  }

  async function takeSeat(extension: string, confirmTakeover = false): Promise<void> {
    const body = { extension, ...(confirmTakeover ? { confirm_takeover: true } : {}) };
    seating = true;
    try {
      const taken = await call<Seat>("POST", "/agent/sign-in", body);
      seat.value = taken;
      vacated.value = false;
      seatProblem.value = null;
      writeText(SEAT_KEY, extension);
      if (taken.sip) await phone.start(taken.sip);
    } finally {
      seating = false;
      void resumeSeat(); // It may be ours although the answer was lost.
    }
  }

  /** After a reload the seat is still ours; the phone has to be started again. */
  async function resumeSeat(): Promise<void> {
    if (seating || !lacking.value) return;
    seating = true;
    try {
      const held = await call<Seat>("GET", "/agent/seat");
      seat.value = held;
      seatProblem.value = null;
      if (held.sip) await phone.start(held.sip);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      seatProblem.value = error.problem;
    } finally {
      seating = false;
    }
  }

  async function leaveSeat(): Promise<void> {
    await call("POST", "/agent/sign-out");
    seat.value = null;
    phone.stop();
  }

  const lastSeat = (): string | null => readText(SEAT_KEY);

  // --- the state

  const ready = (): Promise<void> => call("POST", "/agent/ready");
  const notReady = (reason: string): Promise<void> => call("POST", "/agent/not-ready", { reason });
  const clearNext = (): Promise<void> => call("DELETE", "/agent/next-state");
  const extendWrapUp = (seconds: number): Promise<void> =>
    call("POST", "/agent/wrap-up/extend", { seconds });

  // --- the call

  /** Answer now, or as soon as the phone rings when only the card is there yet. */
  async function answer(): Promise<void> {
    if (phone.ringing) await phone.answer();
    else if (offer.value && phone.call === null && seat.value?.kind === "browser") {
      answerWhenRinging.value = offer.value.offer_id;
    }
  }

  async function reject(): Promise<void> {
    const refused = offer.value;
    answerWhenRinging.value = null;
    phone.stopRinging();
    if (!refused || !live.value) {
      phone.reject();
      return;
    }
    rejecting.value = refused.offer_id;
    try {
      await call("POST", `/agent/offers/${encodeURIComponent(refused.offer_id)}/reject`);
    } catch (error) {
      phone.reject();
      throw error;
    } finally {
      rejecting.value = null;
    }
  }

  /** Over SIP where this browser has the call, so it works without our server. */
  async function hangUp(): Promise<void> {
    if (phone.call) phone.hangUp();
    else if (talk.value) await call("POST", callPath(talk.value, "hang-up"));
  }

  async function switchRecording(): Promise<void> {
    const row = talk.value;
    if (!row || row.recording === "none") return;
    const verb = row.recording === "on" ? "recording/pause" : "recording/resume";
    await call("POST", callPath(row, verb));
  }

  async function retake(row: { call_id: string }): Promise<void> {
    retaking.value = true;
    const timer = setTimeout(() => (retaking.value = false), RETAKE_MS);
    try {
      await call("POST", callPath(row, "retake"));
      seatProblem.value = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      clearTimeout(timer);
      retaking.value = false;
      seatProblem.value = error.problem;
    }
  }

  function callPath(row: { call_id: string }, verb: string): string {
    return `/agent/calls/${encodeURIComponent(row.call_id)}/${verb}`;
  }

  /** Save the draft's outcome; `finish` also ends the wrap-up. The draft stays until it is kept. */
  async function saveOutcome(saving: Draft, finish: boolean): Promise<void> {
    const { callId, code, notes } = saving;
    await call("POST", callPath({ call_id: callId }, "disposition"), { code, notes, finish });
    drafts.saved({ callId, code, notes }, serverNow());
    if (chosenDraft.value === callId) chosenDraft.value = null;
  }

  function pickDraft(callId: string | null): void {
    chosenDraft.value = callId;
  }

  // --- what follows from what happens

  watch(
    () => phone.ringing && offer.value?.offer_id,
    (offerId) => {
      if (offerId) rangFor.value = offerId;
    },
    { flush: "sync" },
  );
  watch(
    () => phone.call === null,
    (over) => {
      if (over) rungOut.value = offered.value?.offer_id ?? null;
      else if (live.value) rungOut.value = null;
      if (over) rangFor.value = null;
    },
    { flush: "sync" },
  );
  watch(
    () => phone.inCall,
    (inCall) => {
      if (!inCall) leftCall.value = talked.value?.call_id ?? null;
      else if (live.value) leftCall.value = null;
    },
    { flush: "sync" },
  );

  /** What cut us off from the server may have cut the phone off from the PBX without telling. */
  watch(link.state, (next, before) => {
    if (next !== "live" || before === "live") return;
    elsewhere.value = null;
    if (fetching && talk.value && phone.call === null) torn.value = talk.value.call_id;
    fetching = false;
    phone.prove();
    void resumeSeat();
  });

  /** The other browser has the phone now. A call in hand is never cut off for it. */
  watch(
    () => elsewhere.value !== null && phone.call === null,
    (free) => {
      if (free) letGo();
    },
  );

  watch(
    () =>
      phone.line === "registered" && link.state.value === "live" && me.value?.phone_reachable === false,
    (unreached, _before, onCleanup) => {
      if (!unreached) return;
      let timer = setTimeout(function again() {
        phone.register();
        timer = setTimeout(again, REGISTER_EVERY_MS);
      }, UNREACHED_MS);
      onCleanup(() => clearTimeout(timer));
    },
  );

  watch(
    [() => phone.ringing, () => offer.value?.offer_id ?? null, customerComes] as const,
    ([ringing, offerId, comes], _before, onCleanup) => {
      cardLate.value = false;
      if (answerWhenRinging.value !== offerId) answerWhenRinging.value = null;
      if (!ringing) {
        phone.stopRinging();
        return;
      }
      if (offerId !== null && answerWhenRinging.value === offerId) {
        answerWhenRinging.value = null;
        void phone.answer();
      } else {
        // Even with the card at hand the ring takes its turn after it: seen first, then heard.
        const known = comes ? CUSTOMER_PATIENCE_MS : 0;
        const patience = offerId === null ? CARD_PATIENCE_MS : known;
        const timer = setTimeout(() => {
          cardLate.value = offerId === null;
          phone.startRinging();
        }, patience);
        onCleanup(() => clearTimeout(timer));
      }
    },
  );

  /** Which call the phone is in, as far as the server has said. */
  watch(
    () => (phone.inCall ? (talk.value?.call_id ?? null) : ""),
    (callId) => {
      if (callId === null || callId === phoneIn.value) return;
      phoneIn.value = callId;
      torn.value = null;
      retaking.value = false;
      writeText(TALKING_KEY, callId || null);
    },
  );

  /** A reload cut the sound, not the call: as soon as the phone can ring, have the caller back. */
  watch(
    () =>
      torn.value !== null &&
      talk.value?.call_id === torn.value &&
      phone.call === null &&
      phone.line === "registered",
    (can, _before, onCleanup) => {
      if (!can) return;
      const ask = (): void => {
        if (talk.value && !retaking.value) void retake(talk.value);
      };
      ask();
      const timer = setInterval(ask, RETAKE_AGAIN_MS);
      onCleanup(() => clearInterval(timer));
    },
  );
  watch(
    () => offer.value?.call_id === torn.value,
    (back) => {
      if (back && retaking.value) void answer();
    },
  );

  /** The PBX's goodbye is lost where the network was away: what is over there is over here too. */
  watch(
    () =>
      phone.inCall &&
      phoneIn.value !== "" &&
      link.state.value === "live" &&
      talk.value === null &&
      ["wrap_up", "ready", "not_ready"].includes(me.value?.state ?? ""),
    (over, _before, onCleanup) => {
      if (!over) return;
      const timer = setTimeout(() => phone.hangUp(), GOODBYE_MS);
      onCleanup(() => clearTimeout(timer));
    },
  );

  watch(current, (row, before) => {
    if (!row) return;
    drafts.of({
      callId: row.call_id,
      label: row.name || phoneNumber(row.number) || word("common.unknown_caller"),
      queue: row.queue,
      startedAt: row.started_at,
    });
    if (row.call_id !== before?.call_id) chosenDraft.value = null;
  });

  watch(
    () => me.value?.extension ?? null,
    (extension) => {
      void resumeSeat();
      vacated.value = extension === null && seat.value !== null && link.loaded.value;
    },
  );

  watch(
    () => lacking.value && live.value,
    (wanting, _before, onCleanup) => {
      if (!wanting) return;
      const timer = setInterval(() => void resumeSeat(), SEAT_AGAIN_MS);
      onCleanup(() => clearInterval(timer));
    },
  );

  /** The seat was taken or given up. A call in hand is never cut off for it. */
  watch(
    () => vacated.value && phone.call === null,
    (free) => {
      if (!free) return;
      vacated.value = false;
      seat.value = null;
      phone.stop();
    },
  );

  return {
    linkState: link.state,
    loaded: link.loaded,
    retryIn: link.retryIn,
    pop: link.pop,
    seat,
    seatProblem,
    me,
    offer,
    calls,
    pulse,
    seated,
    talk,
    wrapUp,
    current,
    stage,
    caller,
    offeredName,
    eye,
    draft,
    answerWhenRinging,
    rejecting,
    retaking,
    cardLate,
    customerComes,
    elsewhere,
    open,
    close,
    fetchDesk,
    takeSeat,
    leaveSeat,
    lastSeat,
    ready,
    notReady,
    clearNext,
    extendWrapUp,
    answer,
    reject,
    hangUp,
    switchRecording,
    saveOutcome,
    pickDraft,
  };
});
