/** Keyboard shortcuts: one list, which the handler, the tooltips and the help all read. */
import { onBeforeUnmount, onMounted } from "vue";

export type KeyAction =
  | "answer"
  | "end"
  | "hold"
  | "mute"
  | "keypad"
  | "recording"
  | "ready"
  | "not_ready"
  | "notes"
  | "save"
  | "search"
  | "help";

interface Chord {
  /** KeyboardEvent.code, so the place of the key counts and no input method gets in between. */
  code?: string;
  /** The sign itself, where its place differs between keyboards. */
  sign?: string;
  alt?: boolean;
  ctrl?: boolean;
  /** Only while no text is being typed. */
  plain?: boolean;
}

export const CHORDS: Record<KeyAction, Chord> = {
  answer: { code: "KeyA", alt: true },
  end: { code: "KeyX", alt: true },
  hold: { code: "KeyH", alt: true },
  mute: { code: "KeyM", alt: true },
  keypad: { code: "KeyK", alt: true },
  recording: { code: "KeyP", alt: true },
  ready: { code: "KeyR", alt: true },
  not_ready: { code: "KeyN", alt: true },
  notes: { code: "KeyT", alt: true },
  save: { code: "Enter", ctrl: true },
  search: { code: "KeyK", ctrl: true },
  help: { sign: "?", plain: true },
};

/** The chord as it is printed on keys. */
export function chordLabel(action: KeyAction): string {
  const { code, sign, alt, ctrl } = CHORDS[action];
  const key = sign ?? code?.replace("Key", "");
  return [ctrl && "Ctrl", alt && "Alt", key].filter(Boolean).join("+");
}

/** Whether keys go into a field there. */
export function typing(target: EventTarget | null): boolean {
  const element = target as Partial<Element> | null;
  return element?.closest?.("input, textarea, select") != null;
}

/** Which action these keys mean, null for none. */
export function actionOf(event: KeyboardEvent): KeyAction | null {
  for (const [action, chord] of Object.entries(CHORDS) as [KeyAction, Chord][]) {
    if (
      (chord.sign === undefined ? event.code === chord.code : event.key === chord.sign) &&
      event.altKey === (chord.alt ?? false) &&
      (event.ctrlKey || event.metaKey) === (chord.ctrl ?? false) &&
      (chord.sign !== undefined || !event.shiftKey) &&
      !(chord.plain && typing(event.target))
    ) {
      return action;
    }
  }
  return null;
}

/** Handle shortcuts while the component stands; `?` and search belong to the shell. */
export function useKeys(handlers: Partial<Record<KeyAction, () => unknown>>): void {
  const onKey = (event: KeyboardEvent): void => {
    if (event.repeat || event.isComposing) return;
    const action = actionOf(event);
    const handler = action && handlers[action];
    if (!handler) return;
    event.preventDefault();
    handler();
  };
  onMounted(() => window.addEventListener("keydown", onKey));
  onBeforeUnmount(() => window.removeEventListener("keydown", onKey));
}
