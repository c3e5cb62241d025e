/** The custom fields of customers, as this person may see and change them. */
import { defineStore } from "pinia";
import { computed, ref, watch } from "vue";

import { readFields, type CustomField, type ReadField } from "@/api/customers";
import { ApiError } from "@/api/http";
import { titleOf } from "@/i18n";
import { editable, visibleFields } from "@/lib/customers";

import { usePrefs } from "./prefs";
import { useSession } from "./session";

export const useFields = defineStore("fields", () => {
  const session = useSession();
  const prefs = usePrefs();
  const all = ref<ReadField[] | null>(null);
  let asked: Promise<void> | null = null;

  const mayEdit = (field: CustomField): boolean => editable(field, session.me?.roles ?? []);
  const visible = computed(() => visibleFields(all.value ?? [], session.me?.roles ?? []));
  /** Whoever may not fill a field in is not held up by its being empty. */
  const mine = computed(() => visible.value.filter(mayEdit));

  /** Read them once; a failed reading is tried again the next time. @throws ApiError */
  function load(): Promise<void> {
    asked ??= readFields().then(
      (answer) => {
        all.value = answer.items;
      },
      (error: unknown) => {
        asked = null;
        throw error;
      },
    );
    return asked;
  }

  /** The server judged a field otherwise than we do: somebody changed it since it was read. */
  async function learn(refusal: unknown): Promise<void> {
    const { errors } = refusal instanceof ApiError ? refusal.problem : {};
    if (!errors?.some(({ field }) => field.startsWith("fields."))) return;
    asked = null;
    await load().catch(() => undefined); // The refusal itself is what the person is told.
  }

  /** Each person is shown their own. */
  watch(
    () => session.me?.user,
    () => (asked = null),
  );

  function set(items: ReadField[]): void {
    all.value = items;
  }

  /** A field that is being defined may have no words yet. */
  const title = (field: CustomField): string =>
    titleOf(field.title, prefs.language, "") || field.code || "…";

  return { all, visible, mine, load, learn, set, title, mayEdit };
});
