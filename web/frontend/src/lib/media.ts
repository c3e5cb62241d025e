/** What the browser says about its surroundings. */
import { readonly, ref, type Ref } from "vue";

/** Whether the system prefers dark colours, following its changes. */
export function usePreferredDark(): Readonly<Ref<boolean>> {
  const query = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = ref(query.matches);
  query.addEventListener("change", (event) => (dark.value = event.matches));
  return readonly(dark);
}
