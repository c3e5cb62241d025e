/** Which items of a long grid are in sight or soon will be, so that the others need not be drawn. */
import { onBeforeUnmount, onMounted, shallowRef, type Ref, type ShallowRef } from "vue";

/** So far beyond the edge of its scroller an item counts as in sight, pixels. */
const SOON = 240;

/** Places in the list: from the first up to, not with, the last. */
export interface Sight {
  from: number;
  to: number;
}

export interface Grid {
  /** Pixels from the scroller's upper edge to the grid's; negative where it is scrolled beyond it. */
  top: number;
  /** The scroller's height. */
  view: number;
  /** Height of a row with its gap. */
  row: number;
  columns: number;
}

/** What of a grid of equal rows is in sight; whole rows. */
export function sightOf({ top, view, row, columns }: Grid): Sight {
  if (row <= 0) return { from: 0, to: 0 };
  const from = Math.max(0, Math.floor((-top - SOON) / row));
  const to = Math.max(0, Math.ceil((view - top + SOON) / row));
  return { from: from * columns, to: to * columns };
}

/**
 * Follows what is in sight of a CSS grid whose items are all of one height. Reckoned from places:
 * an observer of hundreds of items would look at each of them in every frame.
 */
export function useSight(list: Readonly<Ref<HTMLElement | null>>): ShallowRef<Sight> {
  const sight = shallowRef<Sight>({ from: 0, to: 0 });
  let stop = (): void => undefined;

  function look(scroller: Element): void {
    const first = list.value?.firstElementChild;
    if (!list.value || !first) return;
    const style = getComputedStyle(list.value);
    const view = scroller.getBoundingClientRect();
    const now = sightOf({
      top: list.value.getBoundingClientRect().top - view.top,
      view: view.height,
      row: first.getBoundingClientRect().height + parseFloat(style.rowGap),
      columns: style.gridTemplateColumns.split(" ").length,
    });
    if (now.from !== sight.value.from || now.to !== sight.value.to) sight.value = now;
  }

  onMounted(() => {
    const scroller = list.value?.closest(".page");
    if (!list.value || !scroller) return;
    const again = (): void => look(scroller);
    const sizes = new ResizeObserver(again);
    // What grows above the list moves it: the page grows with that.
    for (const each of [list.value, scroller, ...scroller.children]) sizes.observe(each);
    scroller.addEventListener("scroll", again, { passive: true });
    stop = () => {
      sizes.disconnect();
      scroller.removeEventListener("scroll", again);
    };
    again();
  });
  onBeforeUnmount(() => stop());
  return sight;
}
