/** Filters that live in the address, so that a list can be kept and sent. */
import { computed, ref, watch, type ComputedRef, type Ref } from "vue";
import { useRoute, useRouter } from "vue-router";

export interface Filters<Key extends string> {
  filter: ComputedRef<Partial<Record<Key, string>>>;
  filtered: ComputedRef<boolean>;
  set(change: Partial<Record<Key, string | null>>): void;
  clear(): void;
}

/** @param keys of the query that are ours; others stay as they are. */
export function useFilters<Key extends string>(keys: readonly Key[]): Filters<Key> {
  const route = useRoute();
  const router = useRouter();
  const filter = computed(() => {
    const wanted: Partial<Record<Key, string>> = {};
    for (const key of keys) {
      const value = route.query[key];
      if (typeof value === "string" && value !== "") wanted[key] = value;
    }
    return wanted;
  });

  function set(change: Partial<Record<Key, string | null>>): void {
    const query = { ...route.query };
    for (const [key, value] of Object.entries<string | null | undefined>(change)) {
      if (value == null || value === "") delete query[key];
      else query[key] = value;
    }
    void router.replace({ query });
  }

  return {
    filter,
    filtered: computed(() => Object.keys(filter.value).length > 0),
    set,
    clear: () => set(Object.fromEntries(keys.map((key) => [key, null])) as Partial<Record<Key, null>>),
  };
}

/** A span of time in the keys `from` and `to`, epoch seconds; as the date picker takes it, milliseconds. */
export function useRange(
  filter: ComputedRef<{ from?: string; to?: string }>,
  set: (change: { from: string | null; to: string | null }) => void,
): { range: ComputedRef<[number, number] | null>; setRange(value: [number, number] | null): void } {
  const seconds = (milliseconds: number): string => String(Math.floor(milliseconds / 1000));
  return {
    range: computed(() => {
      const { from, to } = filter.value;
      return from === undefined || to === undefined ? null : [Number(from) * 1000, Number(to) * 1000];
    }),
    setRange: (value) =>
      set(value === null ? { from: null, to: null } : { from: seconds(value[0]), to: seconds(value[1]) }),
  };
}

/**
 * The words in a box beside a filter of the address: they go there after a pause in typing, and
 * follow it where something else changes it: a link, the browser's way back.
 */
export function useTyped(asked: () => string, set: (words: string) => void, pauseMs: number): Ref<string> {
  const words = ref(asked());
  let sent = words.value;
  watch(words, (now, _before, onCleanup) => {
    const timer = setTimeout(() => {
      sent = now.trim();
      if (sent !== asked()) set(sent);
    }, pauseMs);
    onCleanup(() => clearTimeout(timer));
  });
  // Our own words come back while one types on: they must not undo that.
  watch(asked, (now) => {
    if (now === sent) return;
    sent = now;
    words.value = now;
  });
  return words;
}
