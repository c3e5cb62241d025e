/** A live link as Vue sees it: its tables, its state and when it was last heard. */
import { computed, reactive, readonly, ref, shallowRef, type ComputedRef, type Ref, type ShallowRef } from "vue";

import type { Pop } from "@/api/customers";
import { LiveLink, type LiveEnd, type LiveState, type LiveWorld, type Topic } from "@/api/live";
import { Gather } from "@/lib/gather";
import { onBeat, onWake } from "@/lib/beat";
import { now, observeServerTime, serverNow, steadyMs } from "@/lib/clock";
import { applyChanges, applySnapshot, makeTables, type RowMaps } from "@/lib/tables";

const WORLD: LiveWorld = {
  open: (url) => new WebSocket(url),
  later: (callback, milliseconds) => {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  beat: onBeat,
  now: steadyMs,
};

function address(): string {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}/api/v1/live`;
}

export interface ReactiveLink<T> {
  tables: RowMaps<T>;
  state: Readonly<Ref<LiveState>>;
  /** Whether a first snapshot came. */
  loaded: Readonly<Ref<boolean>>;
  /** When the server last said something, on its clock. */
  heardAt: Readonly<Ref<number>>;
  /** Seconds until the next try while waiting. */
  retryIn: ComputedRef<number>;
  /** Who calls, as the server sent it last. */
  pop: Readonly<ShallowRef<Pop | null>>;
  /** @param take see LiveLink.open. */
  open(take?: boolean): void;
  close(): void;
}

/**
 * @param onEnded the server closed the link for good.
 * @param drawEveryMs changes that follow each other faster are drawn together.
 */
export function reactiveLink<T>(
  topic: Topic,
  names: readonly (keyof T & string)[],
  onEnded: (end: LiveEnd) => void,
  drawEveryMs = 0,
): ReactiveLink<T> {
  const tables = makeTables<T>(names);
  const status = reactive({ retryAt: 0 });
  const state = ref<LiveState>("closed");
  const loaded = ref(false);
  const heardAt = ref(0);
  const pop = shallowRef<Pop | null>(null);

  const gather = new Gather<[put: Record<string, Record<string, unknown>>, del: Record<string, string[]>]>(
    drawEveryMs,
    (gathered) => {
      for (const [put, del] of gathered) applyChanges(tables, put, del);
    },
    WORLD.later,
  );

  const link = new LiveLink(
    address(),
    topic,
    {
      snapshot: (rows) => {
        gather.clear();
        applySnapshot(tables, rows as Record<string, Record<string, unknown>>);
        loaded.value = true;
      },
      changes: (put, del) => {
        const rows = put as Record<string, Record<string, unknown>>;
        if (drawEveryMs === 0) applyChanges(tables, rows, del);
        else gather.add([rows, del]);
      },
      pop: (sent) => (pop.value = sent),
      stamp: (stamp) => {
        observeServerTime(stamp);
        heardAt.value = stamp;
      },
      state: (next, retryInSeconds) => {
        state.value = next;
        status.retryAt = serverNow() + retryInSeconds;
      },
      ended: (end) => {
        stopListening();
        onEnded(end);
      },
    },
    WORLD,
  );

  let stopWaking = (): void => undefined;
  const retryNow = (): void => link.retryNow();
  function stopListening(): void {
    window.removeEventListener("online", retryNow);
    stopWaking();
  }

  return {
    tables,
    state: readonly(state),
    loaded: readonly(loaded),
    heardAt: readonly(heardAt),
    retryIn: computed(() => Math.max(0, Math.ceil(status.retryAt - now.value))),
    pop,
    open(take = false) {
      stopListening();
      window.addEventListener("online", retryNow);
      stopWaking = onWake(() => link.renew());
      link.open(take);
    },
    close() {
      stopListening();
      link.close();
      gather.clear();
      applySnapshot(tables, {});
      loaded.value = false;
    },
  };
}
