/** Times, shares and numbers as the screens show them. */
import { serverDate } from "./clock";

/** `m:ss`, from an hour on `h:mm:ss`. Negative spans read as 0:00. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number): string => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(whole % 60)}`
    : `${minutes}:${two(whole % 60)}`;
}

/** Time of a call that is counted when it ends: an en dash while it may yet come. */
export function soFar(seconds: number, ended: boolean): string {
  return seconds > 0 || ended ? duration(seconds) : "–";
}

/** A share of 0..1 as whole per cent, an en dash where there is none yet. */
export function percent(share: number | null | undefined): string {
  return share == null ? "–" : `${Math.round(share * 100)}%`;
}

const HOURS = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
const DAYS = { ...HOURS, month: "2-digit", day: "2-digit" } as const;
const SHAPES = {
  clock: HOURS,
  seconds: { ...HOURS, second: "2-digit" },
  day: DAYS,
  year: { ...DAYS, year: "numeric" },
} as const;
const made = new Map<string, Intl.DateTimeFormat>();

/** Making one takes longer than drawing the line that it stands in: each is made once. */
function formatter(locale: string, shape: keyof typeof SHAPES): Intl.DateTimeFormat {
  const key = `${locale} ${shape}`;
  let known = made.get(key);
  if (!known) made.set(key, (known = new Intl.DateTimeFormat(locale, SHAPES[shape])));
  return known;
}

/** Clock time of an epoch in the browser's zone, with seconds where asked. */
export function clockTime(at: number, locale: string, withSeconds = false): string {
  return formatter(locale, withSeconds ? "seconds" : "clock").format(at * 1000);
}

/** Date and clock time; today's date is left out. */
export function dateTime(at: number, locale: string, today: Date = serverDate()): string {
  const moment = new Date(at * 1000);
  if (moment.toDateString() === today.toDateString()) return clockTime(at, locale, true);
  const thisYear = moment.getFullYear() === today.getFullYear();
  return formatter(locale, thisYear ? "day" : "year").format(moment);
}

/** When something is to happen: clock time today, with the date on other days; no seconds. */
export function dayTime(at: number, locale: string, today: Date = serverDate()): string {
  const sameDay = new Date(at * 1000).toDateString() === today.toDateString();
  return sameDay ? clockTime(at, locale) : dateTime(at, locale, today);
}

const MAINLAND_MOBILE = /^(?:\+?86)?(1\d{2})([\d*]{4})(\d{4})$/;

/** A phone number in groups that the eye can read; masked and foreign ones stay as they are. */
export function phoneNumber(number: string | null | undefined): string {
  if (!number) return "";
  const mobile = MAINLAND_MOBILE.exec(number);
  return mobile ? `${mobile[1]} ${mobile[2]} ${mobile[3]}` : number;
}

/** What the server shows without the right to see numbers; for numbers that come over SIP. */
export function masked(number: string): string {
  return number.length >= 10
    ? `${number.slice(0, -8)}****${number.slice(-4)}`
    : "*".repeat(Math.max(number.length - 2, 2)) + number.slice(-2);
}

/** A name with the numbers in it masked, as the server does it. */
export function maskedName(name: string): string {
  return name.replace(/[(+]*\d(?:[^\p{L}\p{N}]{0,3}\d){6,}/gu, (number) =>
    masked(number.replace(/[^\d+]/g, "")),
  );
}

const languages = new Map<string, Intl.DisplayNames>();

/** A language's name, the tag itself where it is none: it comes from the dialplan. */
export function languageName(tag: string, locale: string): string {
  try {
    let names = languages.get(locale);
    if (!names) languages.set(locale, (names = new Intl.DisplayNames([locale], { type: "language" })));
    return names.of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/** How far a count is past its limit: calm, over it, or at twice the limit. */
export type Urgency = "calm" | "warn" | "over";

export function urgency(seconds: number, limit: number | null | undefined): Urgency {
  if (limit == null || limit <= 0 || seconds < limit) return "calm";
  return seconds < 2 * limit ? "warn" : "over";
}
