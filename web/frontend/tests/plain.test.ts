/** Text from outside: nothing in it turns, hides or steers. */
import { describe, expect, it } from "vitest";

import { languageName } from "@/lib/format";
import { parsePlain, plain } from "@/lib/plain";

describe("text from outside", () => {
  it.each([
    ["turned by an override", "Bank \u202e321\u202c", "Bank 321"],
    ["turned by an isolate", "\u2067Amy\u2069", "Amy"],
    ["turned by marks", "\u200fA\u200e\u061c", "A"],
    ["nothing to see", "\u200b\u2060\ufeff\u00ad", ""],
    ["control characters", "a\u0000\u0007\u001b[31mb\u009b", "a[31mb"],
    ["separators that are line breaks to some", "a\u2028b\u2029c", "abc"],
  ])("loses what is %s", (_what, given, shown) => {
    expect(plain(given)).toBe(shown);
    expect(parsePlain(JSON.stringify({ rows: [{ name: given }] }))).toEqual({
      rows: [{ name: shown }],
    });
    const escaped = `"${[...given].map((each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"`;
    expect(parsePlain(escaped)).toBe(shown);
  });

  it("keeps words, lines, joiners and emoji", () => {
    for (const text of ["王芳 · Amélie", "one\n\ttwo\r\n", "می\u200cخواهم", "👩\u200d💻", "<b>&amp;"]) {
      expect(plain(text)).toBe(text);
      expect(parsePlain(JSON.stringify(text))).toBe(text);
    }
  });

  it("names a language, and says what it was told where it is none", () => {
    expect(languageName("de", "en")).toBe("German");
    expect(languageName("zh_CN", "en")).toBe("zh_CN");
    expect(languageName("<b>", "en")).toBe("<b>");
  });
});
