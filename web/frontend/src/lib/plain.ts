/**
 * Text from outside as it may stand on a screen. Names come from callers' phones, from imports, from
 * other people: characters that turn the direction of what follows, that nobody sees, or that steer
 * a terminal would let a name pose as another. Line breaks and tabs stay, and so do the joiners of
 * scripts and emoji.
 */
const HIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
/** Whether a JSON text holds one of them, written out or escaped; most hold none. */
const SUSPECT = /\\[ubf]|[\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/;

export function plain(text: string): string {
  return text.replace(HIDDEN, "");
}

/** What the server sent, all text in it plain: the one place where text comes in. */
export function parsePlain(json: string): unknown {
  if (!SUSPECT.test(json)) return JSON.parse(json) as unknown;
  return JSON.parse(json, (_key, value: unknown) =>
    typeof value === "string" ? plain(value) : value,
  ) as unknown;
}
