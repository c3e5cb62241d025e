/** A small form that is opened and shut. While it is open, what is typed outlives its page. */
import { computed, type ComputedRef, type WritableComputedRef } from "vue";

import { serverNow } from "@/lib/clock";
import type { Typed } from "@/lib/customers";
import { useForms, type FormPlace } from "@/stores/forms";

export interface KeptForm<T extends object> {
  open: ComputedRef<boolean>;
  begin(typed: T): void;
  /** Saved or not wanted: forget what was typed. */
  shut(): void;
  field<K extends keyof T & string>(key: K, empty: T[K]): WritableComputedRef<T[K]>;
}

export function useKeptForm<T extends object>(place: () => FormPlace): KeptForm<T> {
  const forms = useForms();
  const form = computed(() => forms.of(place()));
  return {
    open: computed(() => form.value !== null),
    begin: (typed) => forms.write(place(), { ...typed } as Typed, serverNow()),
    shut: () => forms.write(place(), {}, serverNow()),
    field: <K extends keyof T & string>(key: K, empty: T[K]) =>
      computed<T[K]>({
        get: () => (form.value?.typed[key] as T[K] | undefined) ?? empty,
        set: (value) => {
          if (form.value) forms.write(place(), { ...form.value.typed, [key]: value }, serverNow());
        },
      }),
  };
}
