/** A list that the server gives page by page: read anew when its filter changes, longer on demand. */
import { computed, onMounted, ref, shallowRef, watch, type ComputedRef, type Ref, type ShallowRef } from "vue";

import { useAct } from "@/lib/act";

export interface Pages<Row> {
  /** `null` before the first page came. */
  rows: ShallowRef<Row[] | null>;
  /** Whether there is nothing more to read. */
  ended: ComputedRef<boolean>;
  reading: ReturnType<typeof useAct>;
  read(): Promise<void>;
  more(): Promise<void>;
}

/**
 * @param filter of which each change reads the list anew.
 * @param readPage one page from a cursor on, the first from `null`.
 */
export function usePages<Row, Cursor>(
  filter: Readonly<Ref<object>>,
  readPage: (cursor: Cursor | null) => Promise<{ items: Row[]; next: Cursor | null }>,
): Pages<Row> {
  const reading = useAct();
  const rows = shallowRef<Row[] | null>(null);
  const next = ref<Cursor | null>(null) as Ref<Cursor | null>;

  async function read(): Promise<void> {
    await reading.runNext(async () => {
      const page = await readPage(null);
      rows.value = page.items;
      next.value = page.next;
    });
  }

  async function more(): Promise<void> {
    const cursor = next.value;
    if (cursor === null) return;
    await reading.run(async () => {
      const page = await readPage(cursor);
      rows.value = [...(rows.value ?? []), ...page.items];
      next.value = page.next;
    });
  }

  watch(filter, (now, before) => {
    if (JSON.stringify(now) !== JSON.stringify(before)) void read();
  });
  onMounted(() => void read());

  return { rows, ended: computed(() => next.value === null), reading, read, more };
}
