/** The person's touches of the page, after some of which the browser lets sounds through. */

/** Which of them count is for the browser to say: Escape and a finger that comes down do not. */
const TOUCHES = ["pointerdown", "pointerup", "click", "keydown"] as const;

/** Call back at every touch until it says that it is done. @returns how to stop before. */
export function untilTouched(touched: () => Promise<boolean>): () => void {
  const onTouch = async (): Promise<void> => {
    if (await touched()) stop();
  };
  const listener = (): void => void onTouch();
  const stop = (): void => TOUCHES.forEach((name) => window.removeEventListener(name, listener));
  TOUCHES.forEach((name) => window.addEventListener(name, listener));
  return stop;
}
