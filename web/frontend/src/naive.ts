/** Naive UI dressed in our tokens, so that its parts and ours are one surface. */
import { darkTheme, dateEnUS, dateZhCN, enUS, zhCN, type GlobalThemeOverrides } from "naive-ui";

import type { Language } from "@/api/types";

const FONT =
  '"Inter", system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Hiragino Sans GB", ' +
  '"Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif';

function overrides(dark: boolean): GlobalThemeOverrides {
  const accent = dark ? "#7eb0f5" : "#1d5aa8";
  const hover = dark ? "#a3c8fa" : "#164787";
  const placeholder = dark ? "#94a2b0" : "#5b6875";
  return {
    common: {
      fontFamily: FONT,
      fontSize: "14px",
      primaryColor: accent,
      primaryColorHover: hover,
      primaryColorPressed: hover,
      primaryColorSuppl: accent,
      borderRadius: "5px",
      textColorBase: dark ? "#e7ecf1" : "#17202a",
      textColor1: dark ? "#e7ecf1" : "#17202a",
      textColor2: dark ? "#e7ecf1" : "#17202a",
      textColor3: placeholder,
      placeholderColor: placeholder,
      borderColor: dark ? "#465464" : "#b4bfca",
      bodyColor: dark ? "#0d1218" : "#eef1f5",
      cardColor: dark ? "#151c24" : "#ffffff",
      modalColor: dark ? "#1b242e" : "#ffffff",
      popoverColor: dark ? "#1b242e" : "#ffffff",
      inputColor: dark ? "#10161d" : "#ffffff",
      warningColor: dark ? "#f2b04a" : "#8a4b00",
      errorColor: dark ? "#ff8a80" : "#b32020",
      successColor: dark ? "#4fcf95" : "#0b6b41",
    },
    Input: { caretColor: accent, colorFocus: dark ? "#10161d" : "#ffffff" },
  };
}

export function naiveTheme(dark: boolean): { theme: typeof darkTheme | null; overrides: GlobalThemeOverrides } {
  return { theme: dark ? darkTheme : null, overrides: overrides(dark) };
}

export function naiveLocale(language: Language): { locale: typeof zhCN; date: typeof dateZhCN } {
  return language === "en" ? { locale: enUS, date: dateEnUS } : { locale: zhCN, date: dateZhCN };
}
