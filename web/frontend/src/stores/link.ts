/** A live link as Vue sees it: its tables, its state and when it was last heard. */
import { computed, reactive, readonly, ref, type ComputedRef, type Ref } from "vue";

import { LiveLink, type LiveState, type LiveWorld, type Topic } from "@/api/live";
import { onBeat } from "@/lib/beat";
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
  open(): void;
  close(): void;
}

/**
 * @param onEnded the server ended the session.
 */
export function reactiveLink<T>(
  topic: Topic,
  names: readonly (keyof T & string)[],
  onEnded: () => void,
): ReactiveLink<T> {
  const tables = makeTables<T>(names);
  const status = reactive({ retryAt: 0 });
  const state = ref<LiveState>("closed");
  const loaded = ref(false);
  const heardAt = ref(0);
  let closing = false;

  const link = new LiveLink(
    address(),
    topic,
    {
      snapshot: (rows) => {
        applySnapshot(tables, rows as Record<string, Record<string, unknown>>);
        loaded.value = true;
      },
      changes: (put, del) =>
        applyChanges(tables, put as Record<string, Record<string, unknown>>, del),
      stamp: (stamp) => {
        observeServerTime(stamp);
        heardAt.value = stamp;
      },
      state: (next, retryInSeconds) => {
        state.value = next;
        status.retryAt = serverNow() + retryInSeconds;
        if (next === "closed" && !closing) onEnded();
      },
    },
    WORLD,
  );

  const retryNow = (): void => link.retryNow();

  return {
    tables,
    state: readonly(state),
    loaded: readonly(loaded),
    heardAt: readonly(heardAt),
    retryIn: computed(() => Math.max(0, Math.ceil(status.retryAt - now.value))),
    open() {
      window.addEventListener("online", retryNow);
      link.open();
    },
    close() {
      window.removeEventListener("online", retryNow);
      closing = true;
      link.close();
      closing = false;
      applySnapshot(tables, {});
      loaded.value = false;
    },
  };
}
