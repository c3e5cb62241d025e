/**
 * The customer's card of each call. The server sends it with the offer, and is asked for it where it
 * did not; what the offer itself says never waits for it, and a call whose card cannot be had is
 * answered all the same.
 */
import { defineStore } from "pinia";
import { computed, shallowReactive, watch } from "vue";

import {
  addAppointment,
  changeAppointment,
  chooseCustomer,
  readOpenAppointments,
  readPop,
  type Appointment,
  type Customer,
  type Pop,
} from "@/api/customers";
import { ApiError } from "@/api/http";
import type { Problem } from "@/api/types";
import { serverNow } from "@/lib/clock";

import { useDesk } from "./desk";
import { useDrafts, type Draft } from "./drafts";
import { useSession } from "./session";

export interface Card {
  callId: string;
  pop: Pop | null;
  problem: Problem | null;
  loading: boolean;
  /** The agent said that it is none of the matches: a new customer. */
  none: boolean;
}

/** Cards of so many latest calls are kept; older ones are asked for again. */
const KEPT = 8;
/** A card that was sent with its offer is here by then. */
const SENT_WITHIN_MS = 150;
const FRESH_OFFER_SECONDS = 1;

export const useCards = defineStore("cards", () => {
  const desk = useDesk();
  const session = useSession();
  const drafts = useDrafts();
  const cards = shallowReactive(new Map<string, Card>());

  const callId = computed(() => desk.offer?.call_id ?? desk.current?.call_id ?? null);
  const card = computed(() => (callId.value === null ? null : (cards.get(callId.value) ?? null)));

  function put(id: string, change: Partial<Card>): void {
    const known = cards.get(id) ?? { callId: id, pop: null, problem: null, loading: false, none: false };
    cards.set(id, { ...known, ...change });
    for (const old of [...cards.keys()].slice(0, -KEPT)) if (old !== callId.value) cards.delete(old);
  }

  async function load(id: string): Promise<void> {
    if (cards.get(id)?.loading) return;
    put(id, { loading: true, problem: null });
    try {
      put(id, { pop: await readPop(id), loading: false });
    } catch (error) {
      put(id, { loading: false });
      if (!(error instanceof ApiError)) throw error;
      put(id, { problem: error.problem });
    }
  }

  /** Say which customer it is; kept with the call. @throws ApiError */
  async function choose(id: string, customerId: string): Promise<void> {
    put(id, { pop: await chooseCustomer(id, customerId), none: false });
  }

  /** The call's new customer was added, which made it theirs. */
  async function added(id: string): Promise<void> {
    put(id, { none: false });
    await load(id);
  }

  function chooseNone(id: string, none: boolean): void {
    put(id, { none });
  }

  /** Put the failure aside; the offer's own words stay. */
  function forgive(id: string): void {
    put(id, { problem: null });
  }

  /** The customer was changed on the card: show it so without asking again. */
  function changed(id: string, customer: Customer): void {
    const pop = cards.get(id)?.pop;
    if (!pop) return;
    const matches = pop.matches.map((match) =>
      match.customer_id === customer.customer_id ? { ...match, ...customer } : match,
    );
    put(id, { pop: { ...pop, matches } });
  }

  /** A call-back of one of the matches was ticked off, or that taken back: it stays so on the card. */
  function appointmentChanged(id: string, now: Appointment): void {
    const pop = cards.get(id)?.pop;
    if (!pop) return;
    const matches = pop.matches.map((match) => ({
      ...match,
      open_appointments: match.open_appointments.map((each) =>
        each.appointment_id === now.appointment_id ? { ...each, ...now } : each,
      ),
    }));
    put(id, { pop: { ...pop, matches } });
  }

  /** Whose call it is, as far as that is known. */
  function customerOf(id: string): Customer | null {
    const { pop, none } = cards.get(id) ?? { pop: null, none: false };
    if (!pop || none) return null;
    if (pop.chosen !== null) {
      return pop.matches.find((match) => match.customer_id === pop.chosen) ?? null;
    }
    return pop.matches.length === 1 ? (pop.matches[0] ?? null) : null;
  }

  /** Make the draft's call-back with the server, once; a repeated saving does not make a second. @throws ApiError */
  async function keepCallBack(draft: Draft): Promise<void> {
    const { callBack, callId: about } = draft;
    if (!callBack || callBack.appointment_id !== null || callBack.customer_id === null) return;
    const { customer_id, due_at, text } = callBack;
    try {
      const sent = callBack.unsure ? await madeBefore(about, customer_id) : null;
      const made = sent
        ? await changeAppointment(sent.appointment_id, { due_at, text })
        : await addAppointment(customer_id, { due_at, text, call_id: about });
      const now = draft.callBack ?? callBack;
      // Changed while it was sent: the next saving changes the one that the server has.
      const whole = now.customer_id === customer_id && now.due_at === due_at && now.text === text;
      const kept = whole ? { appointment_id: made.appointment_id, unsure: false } : { unsure: true };
      drafts.write(about, { callBack: { ...now, ...kept } });
    } catch (error) {
      const unheard = error instanceof ApiError && error.code === "network";
      if (unheard) drafts.write(about, { callBack: { ...(draft.callBack ?? callBack), unsure: true } });
      throw error;
    }
  }

  /** The call-back of this call that was sent before, if it was made. @throws ApiError */
  async function madeBefore(about: string, customerId: string): Promise<Appointment | null> {
    const { items } = await readOpenAppointments();
    return items.find((each) => each.call_id === about && each.customer_id === customerId) ?? null;
  }

  /** The ring takes its turn after the card. */
  watch(
    () => card.value?.loading ?? false,
    (loading) => (desk.customerComes = loading),
    { flush: "sync" },
  );

  /** The server sends it by itself with an offer that it makes now. */
  function awaitSent(id: string): void {
    put(id, { loading: true, problem: null });
    setTimeout(() => {
      if (!cards.get(id)?.loading || cards.get(id)?.pop) return;
      put(id, { loading: false });
      void load(id);
    }, SENT_WITHIN_MS);
  }

  function want(id: string | null): void {
    if (id === null || !session.may("customers.see") || cards.get(id)?.pop) return;
    const made = desk.offer?.call_id === id ? desk.offer.made_at : 0;
    if (serverNow() - made < FRESH_OFFER_SECONDS) awaitSent(id);
    else void load(id);
  }

  watch(
    () => desk.pop,
    (pop) => {
      if (pop) put(pop.call_id, { pop, loading: false, problem: null });
    },
    { flush: "sync" },
  );

  watch(callId, want, { immediate: true });
  /** An earlier call's outcome that was gone back to may hold a call-back. */
  watch(() => desk.draft?.callId ?? null, want, { immediate: true });

  /** The caller may become known, or turn out to be somebody else, after a call-back was agreed. */
  watch(
    () => {
      const { callId: about, callBack } = desk.draft ?? {};
      if (about === undefined || callBack?.appointment_id !== null) return null;
      const known = customerOf(about)?.customer_id ?? null;
      const notYet = known === null && !cards.get(about)?.none;
      return notYet || known === callBack.customer_id ? null : { about, callBack: { ...callBack, customer_id: known } };
    },
    (change) => {
      if (change) drafts.write(change.about, { callBack: change.callBack });
    },
    { immediate: true },
  );

  /** What failed while the server was away is asked for again when it is back. */
  watch(
    () => desk.linkState,
    (state) => {
      if (state === "live" && card.value?.problem) void load(card.value.callId);
    },
  );

  return {
    cards,
    callId,
    card,
    load,
    choose,
    added,
    chooseNone,
    forgive,
    changed,
    appointmentChanged,
    customerOf,
    keepCallBack,
  };
});
