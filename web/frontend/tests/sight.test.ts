import { describe, expect, it } from "vitest";

import { sightOf } from "@/lib/sight";

const GRID = { view: 500, row: 80, columns: 5 };

describe("what of a grid is in sight", () => {
  it("begins with the first row where nothing is scrolled", () => {
    expect(sightOf({ ...GRID, top: 100 })).toEqual({ from: 0, to: 8 * 5 });
  });

  it("leaves out rows that were scrolled by, whole rows only", () => {
    expect(sightOf({ ...GRID, top: -1000 })).toEqual({ from: 9 * 5, to: 22 * 5 });
  });

  it("is nothing far below, and nothing while there are no rows", () => {
    expect(sightOf({ ...GRID, top: 2000 })).toEqual({ from: 0, to: 0 });
    expect(sightOf({ ...GRID, row: 0, top: 0 })).toEqual({ from: 0, to: 0 });
  });
});
