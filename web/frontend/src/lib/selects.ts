/** What Naive UI's select gives the focus to while nobody types into it. */
const FOCUSED = "n-base-selection-label";

/**
 * Name selects to screen readers from now on. The library names its text field, but the focus
 * stands on a box around it, which would be read out without a name.
 */
export function nameSelects(root: Document): void {
  root.addEventListener("focusin", ({ target }) => {
    if (!(target instanceof HTMLElement) || !target.classList.contains(FOCUSED)) return;
    const labelled = target.querySelector("[aria-label]") ?? target.parentElement?.closest("[aria-label]");
    const name = labelled?.getAttribute("aria-label");
    if (!name) return;
    const chosen = target.innerText.trim();
    target.setAttribute("role", "group");
    target.setAttribute("aria-label", chosen ? `${name}: ${chosen}` : name);
  });
}
